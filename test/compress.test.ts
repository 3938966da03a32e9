import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { argMax, randomStream } from '../src/math/index.ts'
import { readModelFile, writeModelFile } from '../src/onnx/index.node.ts'
import { printModel } from '../src/onnx/index.ts'
import { compressFile, compressJson, compressReport } from '../src/pipeline/index.node.ts'
import { type CompressRecipe, compress, parseRecipe } from '../src/pipeline/index.ts'
import { checkReport, renderHtml, renderJson } from '../src/report/index.ts'
import { withSession } from '../src/runtime/index.ts'
import { testRuntime } from './support/rewrite-conformance.ts'
import { smallCompression } from './support/small-compression.ts'
import { tinyModel } from './support/tiny-model.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-compress-'))
const runtime = await testRuntime()
const { model, data } = await smallCompression(folder)

function recipe(more: Partial<CompressRecipe>): CompressRecipe {
  const output = join(folder, `out-${Object.keys(more).join('-')}.onnx`)
  const parsed = parseRecipe('compress', { model, data, samples: 48, output, ...more })
  return parsed
}

/** The samples with what the float model says of each as its label; the path of their description. */
async function labelled(): Promise<string> {
  const x = { dtype: 'float32' as const, dims: [96, 8, 12, 12], data: new Float32Array(96 * 8 * 144) }
  new Uint8Array(x.data.buffer).set(readFileSync(join(folder, 'x.bin')))
  const { y } = await withSession(runtime, await readModelFile(model), {}, (session) => session.run({ x }))
  const labels = Uint8Array.from({ length: 96 }, (_, i) => argMax(y?.data as Float32Array, 10 * i, 10))
  writeFileSync(join(folder, 'labels.bin'), labels)
  const own = { format: 'raw', file: 'labels.bin', dtype: 'uint8', shape: [96] }
  const description = { format: 'raw', file: 'x.bin', dtype: 'float32', shape: [96, 8, 12, 12], labels: own }
  const path = join(folder, 'labelled.json')
  writeFileSync(path, JSON.stringify(description))
  return path
}

describe('compress', () => {
  after(() => rmSync(folder, { recursive: true }))

  it('delivers at most the asked share of the multiplications, and says what each layer got', async () => {
    const run = await compressFile(runtime, recipe({ macs: [0.6] }))
    const json = compressJson(run) as { macs: { ratio: number }; layers: { method: string }[]; agreement: number }
    assert.ok(json.macs.ratio <= 0.6 && json.macs.ratio > 0.5, `${json.macs.ratio}`)
    assert.equal(json.layers.length, 3)
    assert.ok(json.layers.some((layer) => layer.method !== 'keep'))
    assert.ok(json.agreement >= 0.75)
    const report = checkReport(JSON.parse(renderJson(compressReport(run, runtime))), 'the report')
    assert.match(renderHtml(report), /What each layer became/)
  })

  it('gives all points of a curve, named by their ratio', async () => {
    const run = await compressFile(runtime, recipe({ macs: [0.5, 0.8], force: true }))
    assert.deepEqual(
      run.points.map((point) => point.target),
      [0.8, 0.5],
    )
    for (const point of run.points) assert.ok(existsSync(point.output))
    assert.match(run.points[0]?.output ?? '', /macs80\.onnx$/)
    const [mild, strong] = run.points.map((point) => point.measures.macs.after)
    assert.ok((strong ?? 0) < (mild ?? 0))
  })

  it('keeps parameter bytes within their share', async () => {
    const { points } = await compressFile(runtime, recipe({ bytes: [0.7] }))
    const { before, after: left } = points[0]!.measures.parameters
    assert.ok(left <= 0.7 * before, `${left} of ${before}`)
  })

  it('takes out channels and fits the rest to what is left', async () => {
    const run = await compressFile(runtime, recipe({ method: 'prune', macs: [0.7], force: true }))
    const json = compressJson(run) as { macs: { ratio: number }; layers: { method: string; channels?: number }[] }
    assert.ok(json.macs.ratio <= 0.7 && json.macs.ratio > 0.5, `${json.macs.ratio}`)
    assert.ok(json.layers.some((layer) => layer.method === 'prune' && (layer.channels ?? 0) > 0))
    await assert.rejects(compressFile(runtime, recipe({ method: 'prune', macs: [0.001] })), /the nearest is 0\.\d+/)
  })

  it('finds the fewest channels within a drop of the metric, and needs labels for that', async () => {
    const wanted = { method: 'prune', maxDrop: 0.05 } as const
    await assert.rejects(compressFile(runtime, recipe(wanted)), /--max-drop needs labels/)
    const run = await compressFile(runtime, recipe({ ...wanted, val: await labelled() }))
    const [point] = run.points
    assert.ok(point, 'there is a result')
    const { metric } = point.measures.comparison
    assert.ok(metric && metric.before === 1 && metric.difference >= -0.05, `${metric?.difference}`)
    const share = point.measures.macs.after / point.measures.macs.before
    assert.ok(share < 0.95 && run.evaluations > 1, `${share} after ${run.evaluations} evaluations`)
    // The next stronger step loses more: that is why the search ended here.
    const macs = [(Math.ceil(20 * share) - 1) / 20]
    const stronger = await compressFile(runtime, recipe({ method: 'prune', macs, val: await labelled(), force: true }))
    const { difference = 0 } = stronger.points[0]?.measures.comparison.metric ?? {}
    assert.ok(difference < -0.05, `${macs} loses ${-difference}`)
  })

  it('refuses a budget out of reach: the nearest one, what holds it back, which limit to relax; no file is left', async () => {
    const asked = recipe({ macs: [0.3], multiple: 8, keepLayer: ['Conv_v1'], output: join(folder, 'no.onnx') })
    await assert.rejects(compressFile(runtime, asked), (error: Error & { exitCode?: number }) => {
      assert.equal(error.exitCode, 6)
      assert.match(error.message, /cannot be reached under these limits: the nearest is 0\.\d+/)
      assert.match(error.message, /Conv_v1 \(\d+ % of the cost\) is kept by --keep-layer/)
      assert.match(error.message, /without --keep-layer 0\.\d+ is in reach/)
      return true
    })
    assert.ok(!existsSync(join(folder, 'no.onnx')))
  })

  it('refuses a result that no longer does its job, unless it is forced', async () => {
    // Maps, not classes: a net of random weights always answers the same class, whatever is done to it.
    const maps = join(folder, 'maps.onnx')
    await writeModelFile(
      tinyModel('x[N,8,12,12] -> Conv 3x3 8->16 pads=1,1,1,1 -> Relu -> Conv 3x3 16->16 pads=1,1,1,1 -> y'),
      maps,
    )
    const plan = join(folder, 'ruin.json')
    writeFileSync(plan, JSON.stringify({ Conv_v1: 1, Conv_y: 1 }))
    const ruin = { ...recipe({ manual: plan, plain: true }), model: maps }
    await assert.rejects(compressFile(runtime, ruin), /is refused: its first output has an SQNR of .* dB on held-back/)
    assert.ok(!existsSync(ruin.output ?? ''))
    const run = await compressFile(runtime, { ...ruin, force: true })
    assert.match(run.points[0]?.forced ?? '', /SQNR/)
  })

  it('takes a plan by hand, and names what is wrong in one', async () => {
    const plan = join(folder, 'plan.json')
    writeFileSync(plan, JSON.stringify({ Conv_a: { split: 'horizontal-vertical', rank: 6 }, Conv_v1: 'keep' }))
    const run = await compressFile(runtime, recipe({ manual: plan, force: true }))
    const chosen = run.points[0]?.layers.find((layer) => layer.name === 'Conv_a')?.choice
    assert.deepEqual(chosen, { split: 'horizontal-vertical', rank: 6 })
    writeFileSync(plan, JSON.stringify({ nobody: 3 }))
    await assert.rejects(compressFile(runtime, recipe({ manual: plan })), /names a layer "nobody"/)
  })

  it('takes numbers of channels by hand, beside splits', async () => {
    const plan = join(folder, 'channels.json')
    writeFileSync(
      plan,
      JSON.stringify({ Conv_v1: { channels: 12 }, Conv_a: { split: 'horizontal-vertical', rank: 6 } }),
    )
    const run = await compressFile(runtime, recipe({ manual: plan, force: true }))
    const { layers } = compressJson(run) as {
      layers: { name: string; method: string; channels?: number; inputs?: number; rank?: number }[]
    }
    const named = (name: string) => layers.find((layer) => layer.name === name)
    // One residual group: both write the channels that Conv_a and the Gemm read.
    assert.deepEqual([named('Conv_v1')?.method, named('Conv_v1')?.channels], ['prune', 12])
    assert.deepEqual([named('Conv_a')?.method, named('Conv_a')?.rank, named('Conv_a')?.inputs], ['spatial-svd', 6, 12])
    writeFileSync(plan, JSON.stringify({ Gemm_y: { channels: 5 } }))
    await assert.rejects(compressFile(runtime, recipe({ manual: plan })), /"y" is a graph output/)
    writeFileSync(plan, JSON.stringify({ Conv_v1: { channels: 'half' } }))
    await assert.rejects(
      compressFile(runtime, recipe({ manual: plan })),
      /"channels" of layer "Conv_v1" is how many stay/,
    )
  })

  it('prunes under a budget of bytes, in multiples, and names the operators that hold channels', async () => {
    const run = await compressFile(runtime, recipe({ method: 'prune', bytes: [0.7], multiple: 4, force: true }))
    const { before, after: left } = run.points[0]!.measures.parameters
    assert.ok(left <= 0.7 * before, `${left} of ${before}`)
    for (const { channels } of run.points[0]!.layers)
      assert.ok(!channels || channels.after % 4 === 0, `${channels?.after}`)
    assert.deepEqual(run.closed, [{ name: 'Gemm_y', reason: '"y" is a graph output' }])
    assert.match(renderHtml(compressReport(run, runtime)), /Gemm_y keeps its channels/)
  })

  it('goes on from the cache of a killed run to the same bytes', async () => {
    const asked = recipe({ macs: [0.6], select: 'greedy' })
    const whole = await compressFile(runtime, asked)
    const expected = readFileSync(whole.points[0]!.output)
    const cacheFolder = join(folder, 'cache')
    const abort = new AbortController()
    const killed = compressFile(runtime, asked, {
      cacheFolder,
      signal: abort.signal,
      progress: ({ step, done }) => {
        if (step === 'evaluate' && done === 5) abort.abort()
      },
    })
    await assert.rejects(killed, /interrupted/)
    const resumed = await compressFile(runtime, asked, { cacheFolder })
    assert.ok(resumed.evaluations < whole.evaluations)
    assert.deepEqual(readFileSync(resumed.points[0]!.output), expected)
    const again = await compressFile(runtime, asked, { cacheFolder })
    assert.equal(again.evaluations, 0)
    assert.deepEqual(readFileSync(again.points[0]!.output), expected)
  })

  it('is a function on a model in memory as well, which it does not change', async () => {
    const given = await readModelFile(model)
    const before = printModel(given)
    const random = randomStream(3, 'inputs')
    const x = { dtype: 'float32' as const, dims: [64, 8, 12, 12], data: new Float32Array(64 * 8 * 144) }
    for (let i = 0; i < x.data.length; i++) x.data[i] = random.normal()
    const result = await compress(runtime, given, [{ x }], { ratio: 0.6, keepLayer: ['Conv_v1'] })
    assert.ok(result.ratio <= 0.6 && result.ratio > 0.5, `${result.ratio}`)
    assert.ok(result.layers.some(({ name, choice }) => name === 'Conv_a' && choice))
    assert.ok(!result.layers.some(({ name }) => name === 'Conv_v1'), 'a kept layer is not fitted')
    assert.equal(printModel(given), before)
    const { y } = await withSession(runtime, result.model, {}, (session) => session.run({ x }))
    assert.deepEqual(y?.dims, [64, 10])
    await assert.rejects(compress(runtime, given, [{ x }], { ratio: 0.01 }), /the nearest is/)
    await assert.rejects(compress(runtime, given, [], { ratio: 0.5 }), /needs samples/)
  })

  it('finds a latency budget by timing, by layer times as well, and decides as before with the same cache', async () => {
    const cacheFolder = join(folder, 'times')
    for (const layerTimes of [false, true]) {
      const asked = { ...recipe({ latency: [1], layerTimes, multiple: 4 }), force: true }
      const first = await compressFile(runtime, asked, { cacheFolder }).catch((error: Error) => error)
      // On a busy machine no plan of a network this small may be faster; then it says so.
      if (first instanceof Error) {
        assert.match(first.message, /of the latency cannot be reached on this machine/)
        continue
      }
      const bytes = readFileSync(first.points[0]!.output)
      await compressFile(runtime, asked, { cacheFolder })
      assert.deepEqual(readFileSync(first.points[0]!.output), bytes)
    }
  })

  it('tells the peak of activation memory, and how long each changed layer takes', async () => {
    const run = await compressFile(runtime, recipe({ macs: [0.6], seed: 1 }))
    const json = compressJson(run) as {
      activationBytes: { before: number; after: number }
      layers: { method: string; latencyMs?: { before: number; after: number } }[]
    }
    // Largest at the Add: the input, which its owner holds, r [16, 12, 12], a and their sum, float32.
    assert.equal(json.activationBytes.before, (8 + 3 * 16) * 144 * 4)
    for (const { method, latencyMs } of json.layers)
      assert.equal(latencyMs !== undefined && latencyMs.before > 0 && latencyMs.after > 0, method !== 'keep', method)
    const report = compressReport(run, runtime)
    const changed = report.layers.filter(({ channelsAfter }) => channelsAfter)
    assert.ok(changed.length > 0, 'weight ranges before and after')
    assert.match(
      renderHtml(checkReport(JSON.parse(renderJson(report)), 'the report')),
      /Spectrum.*time alone|time alone.*Spectrum/s,
    )
  })

  it('says so when there is nothing to compress', async () => {
    const none = join(folder, 'none.onnx')
    await writeModelFile(tinyModel('x[N,8,12,12] -> Relu -> y'), none)
    const asked = { ...recipe({ macs: [0.5] }), model: none }
    await assert.rejects(
      compressFile(runtime, asked),
      /no layer of .*none\.onnx can be compressed: its main graph has no/,
    )
  })

  it('needs exactly one kind of budget', async () => {
    await assert.rejects(compressFile(runtime, recipe({})), /needs one budget, got none/)
    await assert.rejects(compressFile(runtime, recipe({ macs: [0.5], bytes: [0.5] })), /got macs and bytes/)
    await assert.rejects(
      compressFile(runtime, recipe({ macs: [0.5], keepLayer: ['nobody'] })),
      /there is no such layer/,
    )
  })
})
