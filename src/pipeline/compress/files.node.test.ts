import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { type Model, writeModel } from '../../onnx/index.ts'
import { parseRecipe } from '../../recipe/index.ts'
import { workingForm } from '../working-form.ts'
import { bytesBudget } from './budgets/bytes.ts'
import { macsBudget } from './budgets/macs.ts'
import { maxDropBudget } from './budgets/max-drop.ts'
import type { CompressedModel } from './compress-model.ts'
import { diskHost } from './host.node.ts'
import { compressSamples } from './samples.node.ts'
import { writePoint } from './write-point.node.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-compress-files-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string) => join(folder, name)
const model: Model = tinyModel('x[N,4] -> Gemm 4->4 -> y')
const recipe = (more: object = {}) => parseRecipe('compress', { model: file('m.onnx'), data: 'd', ...more })

/** Writes so many samples, with labels where asked; the path of their description. */
function samples(name: string, count: number, labelled = false): string {
  writeFileSync(file(`${name}.bin`), new Uint8Array(Float32Array.from({ length: 4 * count }, (_, i) => i).buffer))
  writeFileSync(file(`${name}.labels`), new Uint8Array(count))
  const labels = { format: 'raw', file: `${name}.labels`, dtype: 'uint8', shape: [count] }
  const raw = { format: 'raw', file: `${name}.bin`, dtype: 'float32', shape: [count, 4] }
  writeFileSync(file(`${name}.json`), JSON.stringify(labelled ? { ...raw, labels } : raw))
  return file(`${name}.json`)
}

describe('the samples of a compression', () => {
  const shared = async (more: object, judges: boolean) => {
    const found = await compressSamples(recipe(more), model, judges, {})
    const read = async (share: typeof found.fit) => {
      const ids: string[] = []
      for await (const batch of share.batches(model, new Map(), {})) ids.push(...batch.ids)
      return ids
    }
    const [fit, judge, report] = [await read(found.fit), await read(found.judge), await read(found.report)]
    return { ...found, ids: { fit, judge, report } }
  }

  it('are fitted to, chosen by and reported on apart from each other', async () => {
    const { ids, next, notes } = await shared({ data: samples('a', 40) }, true)
    assert.deepEqual([ids.fit.length, ids.judge.length, ids.report.length], [30, 5, 5])
    assert.equal(new Set([...ids.fit, ...ids.judge, ...ids.report]).size, 40)
    // What comes next may learn from those that judged, and keeps those of the report.
    assert.deepEqual(
      next.heldBack?.map((index) => `a.bin#${index}`),
      ids.report,
    )
    assert.match(
      notes.join(),
      /scored on 5 samples that nothing was fitted to; choices looked at 5 samples of the others/,
    )
  })

  it('are all reported on where nothing is chosen by them', async () => {
    const { ids, notes } = await shared({ data: samples('a', 40) }, false)
    assert.equal(ids.report.length, 10)
    assert.deepEqual(notes, ['scored on 10 samples that nothing was fitted to'])
  })

  it('are those of --val for choices and the report, with its labels', async () => {
    const given = { data: samples('a', 40), val: samples('v', 9, true) }
    const { ids, judge, report, next } = await shared(given, true)
    assert.equal(ids.fit.length, 40)
    assert.deepEqual([judge.size, report.size, judge.hasLabels, report.hasLabels], [5, 4, true, true])
    assert.deepEqual(next, { judged: [0, 2, 4, 6, 8] })
    assert.deepEqual((await shared(given, false)).next, { judged: [] })
  })

  it('are too few with two: choices look at the fitted one, and a note says so', async () => {
    const { ids, notes } = await shared({ data: samples('two', 2) }, true)
    assert.deepEqual(ids.judge, ids.fit)
    assert.equal(ids.report.length, 1)
    assert.match(notes.join(), /too few samples to keep some for choices alone/)
  })
})

describe('the memory of runs on disk', () => {
  it('gives models back by what they depend on, also to the next process', async () => {
    const bytes = Uint8Array.of(1, 2, 3)
    const memory = () => {
      const { memory: found } = diskHost(file('cache'))
      assert.ok(found)
      return found
    }
    const first = memory()
    assert.equal(await first.readModel('a'), undefined)
    await first.keepModel('a', bytes)
    await first.cache.put('loss', 3)
    const second = memory()
    assert.deepEqual(new Uint8Array((await second.readModel('a')) ?? []), bytes)
    assert.equal(await second.cache.get('loss'), 3)
    assert.equal(first.digest(['a', bytes]), second.digest(['a', Uint8Array.of(1, 2, 3)]))
    assert.notEqual(first.digest(['a']), first.digest(['b']))
  })

  it('ends with the process where there is no folder', async () => {
    const { memory } = diskHost(undefined)
    await memory?.keepModel('a', Uint8Array.of(1))
    assert.equal(await memory?.readModel('a'), undefined)
  })
})

describe('the file of a result', () => {
  const form = workingForm(model, 'inference')
  const written = async (more: object, budget = macsBudget([0.5]), target: number | undefined = 0.5) => {
    const bytes = writeModel(model)
    const point = {
      model,
      bytes,
      layers: [],
      ...(target === undefined ? {} : { target }),
    } as unknown as CompressedModel
    const { output, sizeBytes } = await writePoint(point, { recipe: recipe(more), budget, form }, {})
    assert.equal(sizeBytes, bytes.byteLength)
    assert.deepEqual(new Uint8Array(readFileSync(output)), bytes)
    return output
  }

  it('is named by its budget beside the input, or as asked', async () => {
    assert.equal(await written({}), file('m.macs50.onnx'))
    assert.equal(await written({}, bytesBudget([0.125]), 0.125), file('m.bytes12.5.onnx'))
    assert.equal(await written({ output: file('out.onnx') }), file('out.onnx'))
    assert.equal(await written({ output: file('out.onnx') }, macsBudget([0.5, 0.8])), file('out.macs50.onnx'))
  })

  it('has no share in its name where none is asked for', async () => {
    const bytes = writeModel(model)
    const point = { model, bytes, layers: [] } as unknown as CompressedModel
    const { output } = await writePoint(point, { recipe: recipe(), budget: maxDropBudget(0.01), form }, {})
    assert.equal(output, file('m.compressed.onnx'))
  })

  it('never is the input', async () => {
    await assert.rejects(written({ output: file('m.onnx') }), /is the input; onnxpress never overwrites it/)
    assert.ok(!existsSync(file('m.onnx')))
  })
})
