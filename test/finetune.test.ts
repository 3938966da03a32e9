// Whole fine-tunings of the demo's model: what is written, what is measured, what an interruption leaves.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { CancelledError, RefusedError, UsageError } from '../src/base/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { layersOf } from '../src/onnx/index.ts'
import { finetuneFile, finetuneJson, finetuneReport } from '../src/pipeline/index.node.ts'
import { type FinetuneRecipe, parseRecipe } from '../src/pipeline/index.ts'
import { checkReport, renderHtml, renderJson, renderMarkdown, renderSummary } from '../src/report/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import type { Runtime } from '../src/runtime/index.ts'
import { withAdapterFile } from '../src/train/index.ts'

let runtime: Promise<Runtime> | undefined
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-finetune-'))
after(async () => {
  await (await runtime)?.close()
  rmSync(folder, { recursive: true })
})
const open = () => {
  runtime ??= openRuntime({ threads: 1 })
  return runtime
}

function recipe(name: string, more: Record<string, unknown> = {}): FinetuneRecipe {
  return parseRecipe('finetune', {
    model: 'demo/model.onnx',
    data: 'demo/calibration.json',
    preprocess: 'demo/preprocess.json',
    samples: 48,
    batch: 16,
    epochs: 1,
    output: join(folder, name),
    ...more,
  })
}

describe('finetune', () => {
  it('writes a model, and tells of it in JSON, summary, Markdown and HTML', async () => {
    const run = await finetuneFile(await open(), recipe('a.onnx', { val: 'demo/calibration.json', lr: 1e-4 }))
    const json = finetuneJson(run)
    assert.deepEqual([json['epochs'], json['steps'], json['output']], [1, 3, join(folder, 'a.onnx')])
    assert.equal((json['lossCurve'] as unknown[]).length, 3)
    const metric = json['metric'] as { name: string; before: number; after: number }
    assert.equal(metric.name, 'top1')
    assert.ok(metric.before > 0.9 && metric.after > 0.9, JSON.stringify(metric))
    const report = finetuneReport(run, await open())
    assert.deepEqual(checkReport(JSON.parse(renderJson(report)), 'the report').training, report.training)
    assert.match(renderHtml(report), /<h2>Training<\/h2>/)
    assert.match(renderSummary(report), /fine-tuned: top1/)
    assert.match(renderMarkdown(report), /fine-tuned/)
    assert.equal((await readModelFile(join(folder, 'a.onnx'))).metadata.has('onnxpress.preprocess'), true)
    assert.equal(existsSync(join(folder, 'a.onnx.checkpoint')), false)
  })

  it('trains low-rank adapters, merged in the model and alone in a file', async () => {
    const adapters = join(folder, 'lora.safetensors')
    const run = await finetuneFile(await open(), recipe('lora.onnx', { lora: 2, adapters }))
    assert.deepEqual([finetuneJson(run)['lora'], finetuneJson(run)['adapters']], [2, adapters])
    const [base, merged] = [await readModelFile('demo/model.onnx'), await readModelFile(join(folder, 'lora.onnx'))]
    const again = layersOf(withAdapterFile(base, readFileSync(adapters)))
    const changed = layersOf(merged).filter(({ facts }) => facts.window === undefined)
    assert.ok(changed.length > 0)
    for (const { name, weight } of changed) {
      const values = again.find((layer) => layer.name === name)?.weight.floats()
      assert.ok(
        weight.floats().every((value, i) => Math.abs(value - (values?.[i] ?? 0)) < 1e-6),
        name,
      )
    }
    for (const [more, message] of [
      [{ lora: 2, qat: true }, /leave --qat out/],
      [{ lora: 2, train: 'biases' }, /leave --train biases out/],
      [{ adapters }, /give --lora/],
    ] as const)
      await assert.rejects(finetuneFile(await open(), recipe('no.onnx', more)), message)
  })

  it('writes the same bytes for the same recipe', async () => {
    await finetuneFile(await open(), recipe('b.onnx'))
    await finetuneFile(await open(), recipe('c.onnx'))
    assert.deepEqual(readFileSync(join(folder, 'b.onnx')), readFileSync(join(folder, 'c.onnx')))
  })

  it('trains with quantised weights; deployed and simulated agree, all layers in integers', async () => {
    const run = await finetuneFile(await open(), recipe('q.onnx', { qat: true, val: 'demo/calibration.json' }))
    const json = finetuneJson(run)
    const counts = json['layerCounts'] as { total: number; integer: number }
    assert.equal(counts.integer, counts.total)
    assert.ok((json['deployed'] as { agreement: number }).agreement >= 0.98)
    assert.ok(run.sizeBytes.after < 0.6 * run.sizeBytes.before)
  })

  it('refuses a batch that would not fit before anything runs, and names one that would', async () => {
    await assert.rejects(finetuneFile(await open(), recipe('m.onnx', { batch: 4096, memory: 400 })), (error) => {
      assert.ok(error instanceof RefusedError)
      assert.equal(error.exitCode, 6)
      assert.match(error.message, /^a batch of 4096 needs about \d+ MB, and 400 MB are allowed: --batch \d+ would fit$/)
      return true
    })
    assert.equal(existsSync(join(folder, 'm.onnx')), false)
  })

  it('says that a float model cannot learn from itself', async () => {
    await assert.rejects(finetuneFile(await open(), recipe('t.onnx', { loss: 'distill' })), UsageError)
  })

  it('says that quantised layers are trained with BatchNorm folded', async () => {
    const both = recipe('n.onnx', { qat: true, batchNorm: 'training' })
    await assert.rejects(finetuneFile(await open(), both), /--qat trains the layers with BatchNorm folded into them/)
  })

  it('leaves checkpoint and best model when interrupted, no output, and resumes to the same bytes', async () => {
    const abort = new AbortController()
    const progress = (event: { step: string; done: number }) => {
      if (event.step === 'train' && event.done === 4) abort.abort()
    }
    const two = { epochs: 2 }
    await assert.rejects(
      finetuneFile(await open(), recipe('r.onnx', two), { progress, signal: abort.signal }),
      CancelledError,
    )
    const left = readdirSync(folder).filter((name) => name.startsWith('r.'))
    assert.deepEqual(left.sort(), ['r.best.onnx', 'r.onnx.checkpoint'])
    const run = await finetuneFile(await open(), recipe('r.onnx', { ...two, resume: true }))
    assert.match(run.notes.join('\n'), /resumed after 1 epochs and 4 steps/)
    await finetuneFile(await open(), recipe('s.onnx', two))
    assert.deepEqual(readFileSync(join(folder, 'r.onnx')), readFileSync(join(folder, 's.onnx')))
    assert.equal(existsSync(join(folder, 'r.onnx.checkpoint')), false)
  })
})
