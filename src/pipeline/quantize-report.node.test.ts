import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { writeModelFile } from '../onnx/index.node.ts'
import { layersOf, type Model, Tensor } from '../onnx/index.ts'
import { parseRecipe } from '../recipe/index.ts'
import { type Report, readReport, renderHtml, renderJson } from '../report/index.ts'
import type { Runtime } from '../runtime/index.ts'
import { channelRows } from './channel-rows.ts'
import type { QuantizeRun } from './quantize/run.ts'
import { quantizeFile } from './quantize.node.ts'
import { quantizeReport } from './quantize-report.node.ts'
import { quantizeJson } from './quantize-report.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-report-'))
after(() => rmSync(folder, { recursive: true }))

/** The model with one channel of its first layer's weight made `factor` times as large. */
function scaled(model: Model, channel: number, factor: number): Model {
  const layer = layersOf(model)[0]
  assert.ok(layer?.view)
  const { weight } = layer
  const values = weight.floats().slice()
  const size = values.length / layer.view.outputs
  for (let i = 0; i < size; i++) values[channel * size + i] = (values[channel * size + i] ?? 0) * factor
  const name = layer.node.inputs[1] ?? ''
  const tensor = Tensor.from('float32', weight.shape, Float32Array.from(values))
  const initializers = new Map(model.graph.initializers).set(name, tensor)
  return { ...model, graph: { ...model.graph, initializers } }
}

describe('the report of a quantisation', () => {
  let runtime: Runtime
  let run: QuantizeRun
  before(async () => {
    runtime = await testRuntime()
    const path = join(folder, 'tiny.onnx')
    const model = tinyModel('x[N,3,8,8] -> Conv 3x3 3->8 -> BatchNormalization -> Relu -> Conv 1x1 8->4 -> y')
    await writeModelFile(model, path)
    const recipe = parseRecipe('quantize', { model: path, data: 'random', samples: 4 })
    const {
      ladder,
      meanShift: _shift,
      naiveLayerSqnr: _naive,
      originalFolded: _folded,
      ...bare
    } = await quantizeFile(runtime, recipe)
    assert.deepEqual(ladder?.map(({ name }) => name).slice(0, 1), ['naive'])
    run = bare
  })

  const report = (more: Partial<QuantizeRun> = {}): Report => quantizeReport({ ...run, ...more }, runtime)

  it('has times of the runtime that the target names', async () => {
    assert.equal(run.elsewhere, undefined)
    const recipe = parseRecipe('quantize', { ...run.recipe, effort: 'default', data: 'random', target: 'ort-wasm' })
    const there = await quantizeFile(runtime, recipe)
    const told = quantizeReport(there, runtime)
    assert.deepEqual([there.recipe.target, there.elsewhere], ['ort-wasm', undefined])
    assert.ok(there.latency && there.latency.before.medianMs > 0)
    assert.ok(told.facts.some(({ label, value }) => label === 'target' && value === 'ort-wasm'))
    assert.match(told.commandLine ?? '', /--target ort-wasm/)
  })

  it('says of times that they are those of this runtime, where the target is another one', () => {
    const latency = { medianMs: 2, lowMs: 2, highMs: 2, runs: 1 }
    const there = { ...run, elsewhere: 'a told machine', latency: { before: latency, after: latency } }
    const [faster] = quantizeReport(there, runtime).verdict.points.filter(({ question }) => question === 'faster')
    assert.equal(faster?.answer, 'not measured')
    assert.match(faster?.text ?? '', /on a told machine, which is not ort-cpu/)
    assert.equal(quantizeJson(there)['timedOn'], 'a told machine')
  })

  it('tells what was chosen by time', () => {
    const speed = {
      runtime: 'a machine',
      threads: 2,
      batch: 1,
      floatMs: 3,
      integerMs: 4,
      predictedMs: 2,
      chosenMs: 2.5,
    }
    const there = { ...run, speed: { ...speed, nodes: { able: 7, integer: 5 } } }
    const fact = quantizeReport(there, runtime).facts.find(({ label }) => label === 'chosen by time')
    assert.match(
      fact?.value ?? '',
      /3\.00 ms in float, 4\.00 ms in integers, 2\.50 ms as chosen \(2\.00 foretold\); 5 of 7/,
    )
    assert.deepEqual(quantizeJson(there)['speed'], there.speed)
  })

  it('has no part that was not measured', () => {
    const { layers, ladder, steps } = report({ rewrites: [] })
    assert.equal(ladder, undefined)
    assert.ok(layers.every((layer) => !('channelsAfter' in layer || 'meanShift' in layer || 'naiveSqnrDb' in layer)))
    assert.ok(steps.every((step) => !('boundDb' in step)))
  })

  it('shows a weight before and after where equalisation changed it, and once where it did not', () => {
    const [first, second] = report({ originalFolded: scaled(run.floatModel, 2, 50) }).layers
    assert.deepEqual(first?.ranges?.outliers, [2])
    assert.equal(first?.rangesAfter?.outliers.includes(2), false)
    assert.ok((first?.channels?.max[2] ?? 0) > 49 * (first?.channelsAfter?.max[2] ?? 0))
    assert.equal(first?.rangeSpread, report().layers[0]?.rangeSpread)
    assert.equal(second?.channelsAfter, undefined)
  })

  it('hands on ladder, naive SQNR, mean shift and proofs; report.json keeps them', () => {
    const layer = run.layerSqnr[0]?.name ?? ''
    const given = report({
      ladder: [{ name: 'naive', kept: true, sqnrDb: Number.NEGATIVE_INFINITY, seconds: 0.1 }],
      naiveLayerSqnr: [{ name: layer, sqnrDb: 3 }],
      meanShift: new Map([[layer, { before: 0.2, after: 0.1 }]]),
      rewrites: run.rewrites.map((rewrite) => ({ ...rewrite, boundDb: 80, randomSqnrDb: 120 })),
    })
    const read = readReport(renderJson(given))
    assert.deepEqual(read.layers[0]?.meanShift, { before: 0.2, after: 0.1 })
    assert.equal(read.layers[0]?.naiveSqnrDb, 3)
    assert.equal(read.ladder?.[0]?.sqnrDb, Number.NEGATIVE_INFINITY)
    const fold = read.steps.find((step) => step.name === 'fold-batch-norm')
    assert.deepEqual([fold?.boundDb, fold?.randomSqnrDb], [80, 120])
    assert.equal(renderHtml(read), renderHtml(given))
  })

  it('spells an SQNR that is not a number in the JSON of the command', () => {
    const json = quantizeJson({ ...run, ladder: [{ name: 'naive', kept: true, sqnrDb: Number.NEGATIVE_INFINITY }] })
    assert.deepEqual(json['ladder'], [{ name: 'naive', kept: true, sqnrDb: '-Infinity' }])
    assert.ok(!('ladder' in quantizeJson(run)))
  })

  it('measures the deviation of each channel around its own mean', () => {
    const layer = layersOf(run.floatModel)[0]
    assert.ok(layer)
    const rows = channelRows(layer)?.channels
    const values = [...layer.weight.floats().slice(0, 27)]
    const mean = values.reduce((sum, value) => sum + value, 0) / 27
    const expected = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 27)
    assert.ok(Math.abs((rows?.deviation?.[0] ?? 0) / expected - 1) < 1e-4)
  })

  it('gives 1,024 channels 512 rows that keep every extreme', () => {
    const wide = layersOf(tinyModel('x[N,2,1,1] -> Conv 1x1 2->1024 -> y'))[0]
    assert.ok(wide)
    const rows = channelRows(wide)
    const values = [...wide.weight.floats()]
    assert.equal(rows?.channels.bucketed, 2)
    assert.equal(rows?.channels.min.length, 512)
    assert.equal(rows?.ranges.channels, 1024)
    assert.equal(Math.min(...(rows?.channels.min ?? [])), Number(Math.min(...values).toPrecision(5)))
  })
})
