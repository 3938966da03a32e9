import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { assertNearShare } from '../../test/support/assert-near.ts'
import {
  assertClose,
  contextOf,
  itKeepsTheFunction,
  itLeavesAlone,
  randomFeeds,
  run,
} from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { readModelFile } from '../onnx/index.node.ts'
import { channelGraph, intsAttr, layersOf, type Model, makeNode, Tensor } from '../onnx/index.ts'
import { PassLog } from './edit-pass.ts'
import { applyScales } from './equalize/apply-scales.ts'
import { equalizeClassic, equalizeClassicPass } from './equalize-classic.ts'
import golden from './fixtures/cle.json' with { type: 'json' }
import forward from './fixtures/cle-forward.json' with { type: 'json' }
import { foldBatchNorm } from './fold-batch-norm.ts'

interface Array4 {
  readonly dims: readonly number[]
  readonly data: readonly number[]
}

/** Largest absolute entry of each index along `axis`. */
function ranges({ dims, data }: Array4, axis: number): number[] {
  const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1)
  const count = dims[axis] ?? 1
  const most = new Array<number>(count).fill(0)
  for (const [i, value] of data.entries()) {
    const c = Math.floor(i / inner) % count
    most[c] = Math.max(most[c] ?? 0, Math.abs(value))
  }
  return most
}

/** Layers with these weights and biases, Relu between them; channels of the model's input as the first weight has them. */
function stack(layers: readonly { w: Array4; b: readonly number[] | null }[], pool = false): Model {
  const [first] = layers
  const model = tinyModel(`x[N,${first?.w.dims[1] ?? 1},9,9] -> Identity -> y`)
  const { graph } = model
  graph.nodes = []
  let value = 'x'
  const add = (opType: string, inputs: string[], attributes = {}) => {
    const output = `v${graph.nodes.length}`
    graph.nodes.push(makeNode({ opType, inputs: [value, ...inputs], outputs: [output], attributes }))
    value = output
  }
  for (const [i, { w, b }] of layers.entries()) {
    if (i > 0 && pool) add('MaxPool', [], { kernel_shape: intsAttr([2, 2]), strides: intsAttr([2, 2]) })
    if (i > 0) add('Relu', [])
    graph.initializers.set(`w${i}`, Tensor.from('float32', w.dims, w.data))
    if (b) graph.initializers.set(`b${i}`, Tensor.from('float32', [b.length], b))
    const isDepthwise = i > 0 && w.dims[1] === 1 && (layers[i - 1]?.w.dims[0] ?? 1) > 1
    add(
      'Conv',
      b ? [`w${i}`, `b${i}`] : [`w${i}`],
      isDepthwise ? { group: { type: 'int', value: BigInt(w.dims[0] ?? 1) } } : {},
    )
    if (i === 0 && pool) graph.nodes.at(-1)?.attributes.set('pads', intsAttr([1, 1, 1, 1]))
  }
  graph.outputs[0] = { name: value, dtype: 'float32' }
  return model
}

/** Applies given factors, `[layer][channel]`, to the outputs of the layers of a model. */
async function withFactors(model: Model, factors: readonly (readonly number[])[]): Promise<Model> {
  const context = await contextOf(model)
  const graph = channelGraph(model, context.shapes, 'scale')
  const all = new Float64Array(graph.size).fill(1)
  for (const [index, list] of factors.entries())
    for (const [c, factor] of list.entries()) all[graph.layers[index]?.output[c] ?? -1] = factor
  return applyScales(model, graph, all, { shapes: context.shapes, log: new PassLog(context) })
}

/** A channel that one layer makes with range r1 and one reads with r2: both get √(r1·r2). 1 where a range is 0. */
function pairFactor(r1: number, r2: number): number {
  return valid(Math.sqrt(r1 / r2)) ?? 1
}

/**
 * Around a depthwise layer of range r2, between ranges r1 and r3: the factors before and behind it that give all three
 * ∛(r1·r2·r3). Both are 1 where a range is 0.
 */
function tripletFactors(r1: number, r2: number, r3: number): readonly [number, number] {
  const equal = Math.cbrt(r1 * r2 * r3)
  const [before, behind] = [valid(r1 / equal), valid(equal / r3)]
  return before === undefined || behind === undefined ? [1, 1] : [before, behind]
}

function valid(factor: number): number | undefined {
  return factor > 0 && Number.isFinite(factor) ? factor : undefined
}

describe('closed forms of equalisation', () => {
  for (const { input, options, expected } of golden.cases)
    it(`match AIMET's figures: ${options.kind}, ${options.note}`, async () => {
      if ('w2' in input && input.w2 && expected.s) {
        const s = ranges(input.w1, 0).map((r1, c) => pairFactor(r1, ranges(input.w2, 1)[c] ?? 0))
        assertNearShare(s, expected.s, 1e-12, 's')
        const model = await withFactors(
          stack([
            { w: input.w1, b: input.b1 },
            { w: input.w2, b: null },
          ]),
          [s],
        )
        const [first, second] = layersOf(model)
        assertNearShare(first?.weight.floats(), expected.w1.data, 1e-7, 'w1')
        if (expected.b1) assertNearShare(first?.bias?.floats(), expected.b1, 1e-7, 'b1')
        assertNearShare(second?.weight.floats(), expected.w2?.data ?? [], 1e-7, 'w2')
      } else if ('wdw' in input && input.wdw && input.w3 && expected.s12) {
        const [r1, r2, r3] = [ranges(input.w1, 0), ranges(input.wdw, 0), ranges(input.w3, 1)]
        const both = r1.map((r, c) => tripletFactors(r, r2[c] ?? 0, r3[c] ?? 0))
        const [s12, s23] = [both.map(([s]) => s), both.map(([, s]) => s)]
        assertNearShare(s12, expected.s12, 1e-12, 's12')
        assertNearShare(s23, expected.s23 ?? [], 1e-12, 's23')
        const drawn = stack([
          { w: input.w1, b: input.b1 },
          { w: input.wdw, b: input.bdw ?? null },
          { w: input.w3, b: null },
        ])
        const [first, depthwise, third] = layersOf(await withFactors(drawn, [s12, s23]))
        assertNearShare(first?.bias?.floats(), expected.b1 ?? [], 1e-7, 'b1')
        assertNearShare(depthwise?.weight.floats(), expected.wdw?.data ?? [], 1e-7, 'wdw')
        assertNearShare(depthwise?.bias?.floats(), expected.bdw ?? [], 1e-7, 'bdw')
        assertNearShare(third?.weight.floats(), expected.w3?.data ?? [], 1e-7, 'w3')
      } else assert.fail('a case of another kind')
    })
})

describe('equalize-classic', () => {
  for (const drawing of [
    'x[N,3,8,8] -> Conv 3x3 3->6 -> Relu -> Conv 3x3 6->5 pads=1,1,1,1 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->6 -> PRelu floats[6,1,1] -> Conv 3x3 6->6 group=6 -> Relu -> Conv 1x1 6->2 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->6 -> Clip number(0) number(0.5) -> Conv 3x3 6->6 group=6 pads=1,1,1,1 -> Clip number(0) number(0.5) -> Conv 1x1 6->2 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->4 -> Relu -> a; a -> Conv 1x1 4->4 -> b; a,b -> Add -> Relu -> Conv 1x1 4->2 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->4 -> a; x -> Conv 1x1 3->2 -> b; a,b -> Concat axis=1 -> MaxPool 2x2 -> Conv 1x1 6->3 -> y',
    'x[N,3,4,4] -> Conv 3x3 3->4 -> Relu -> Flatten -> Gemm 16->3 -> Relu -> Gemm 3->4 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->6 -> Relu -> Conv 3x3 6->4 group=2 -> Relu -> Conv 1x1 4->2 -> y',
    'x[N,3,8,8] -> Conv 1x1 3->4 -> a! -> Relu -> Conv 1x1 4->4 -> Relu -> Conv 1x1 4->2 -> y',
  ])
    itKeepsTheFunction(equalizeClassicPass, drawing)

  itLeavesAlone(equalizeClassicPass, 'x[N,3,8,8] -> Conv 1x1 3->4 -> Sigmoid -> Conv 1x1 4->2 -> y', /Sigmoid/)

  for (const [index, { input, options, expected }] of forward.cases.entries())
    it(`finds the textbook's factors in one sweep and keeps torch's output, case ${index}`, async () => {
      const model = stack(
        [
          { w: input.w1, b: input.b1 },
          { w: input.w2, b: input.b2 },
        ],
        options.maxPool2,
      )
      model.graph.nodes[0]?.attributes.set('pads', intsAttr(Array<number>(4).fill(options.pad1)))
      const { classes, model: scaled } = equalizeClassic(model, await contextOf(model), { sweeps: 1 })
      assertNearShare(classes[0]?.factors, expected.s, 1e-7, 's')
      const x = { dtype: 'float32' as const, dims: input.x.dims, data: Float32Array.from(input.x.data) }
      const y = (await run(scaled, { x }))[scaled.graph.outputs[0]?.name ?? '']
      assert.deepEqual(y?.dims, expected.y.dims)
      assertNearShare(y?.data as Float32Array, expected.y.data, 2e-6, 'y')
    })

  it('comes to the closed form of a depthwise triplet by sweeping', async () => {
    const found = golden.cases.find(({ options }) => options.note === 'uneven')
    const { w1, wdw, w3 } = found?.input ?? {}
    if (!w1 || !wdw || !w3) assert.fail('no such case')
    const model = stack([
      { w: w1, b: null },
      { w: wdw, b: null },
      { w: w3, b: null },
    ])
    const { classes } = equalizeClassic(model, await contextOf(model), { tolerance: 1e-9 })
    const [r1, r2, r3] = [ranges(w1, 0), ranges(wdw, 0), ranges(w3, 1)]
    for (const each of classes)
      for (const [c, range] of each.after.entries()) {
        const equal = Math.cbrt((r1[c] ?? 0) * (r2[c] ?? 0) * (r3[c] ?? 0))
        assert.ok(Math.abs(range / equal - 1) < 1e-6, `${range}, expected ${equal}`)
      }
  })

  it('keeps the factor of a channel whose range is 0', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 1x1 3->4 -> Relu -> Conv 1x1 4->2 -> y')
    const layer = layersOf(model)[0]
    const values = Float32Array.from(layer?.weight.floats() ?? [], (w, i) => (i < 3 ? 0 : w))
    model.graph.initializers.set(layer?.node.inputs[1] ?? '', Tensor.from('float32', [4, 3, 1, 1], values))
    const { classes } = equalizeClassic(model, await contextOf(model))
    assert.equal(classes[0]?.factors[0], 1)
  })

  it('caps factors around the median of their class, and activations by what is known of them', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 1x1 3->4 -> a -> Relu -> Conv 1x1 4->2 -> y')
    const layer = layersOf(model)[0]
    const values = Float32Array.from(layer?.weight.floats() ?? [], (w, i) => (i < 3 ? w * 1e-6 : w))
    model.graph.initializers.set(layer?.node.inputs[1] ?? '', Tensor.from('float32', [4, 3, 1, 1], values))
    const context = await contextOf(model)
    const free = equalizeClassic(model, context, { largestFactor: 8 }).classes[0]?.factors ?? []
    const middle = Float64Array.from(free).toSorted()
    const median = ((middle[1] ?? 0) + (middle[2] ?? 0)) / 2
    assert.ok((free[0] ?? 0) >= median / 8.1 && (free[0] ?? 0) < median / 4)
    const mean = Float64Array.of(1, 1, 1, 1)
    const known = new Map([['a', { mean, deviation: new Float64Array(4), source: 'batch-norm' as const }]])
    const guarded = equalizeClassic(model, { ...context, statistics: known }).classes[0]?.factors ?? []
    assert.ok((guarded[0] ?? 0) > median / 2.5, 'it would be blown up, and nothing else in its tensor is that large')
  })

  it('leaves what lies behind a Clip alone when that is asked for', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 1x1 3->4 -> Clip number(0) number(6) -> Conv 1x1 4->2 -> y')
    assert.deepEqual(equalizeClassic(model, await contextOf(model), { clip: 'freeze' }).changes, [])
  })

  it('can balance activations against what reads them', async () => {
    const model = tinyModel('x[N,3,8,8] -> Conv 1x1 3->4 -> BatchNormalization -> Relu -> Conv 1x1 4->2 -> y')
    const folded = foldBatchNorm.apply(model, await contextOf(model))
    const context = { ...(await contextOf(folded.model)), statistics: folded.statistics }
    const result = equalizeClassic(folded.model, context, { balance: 'activations' })
    assert.notEqual(result.changes.length, 0)
    const feeds = randomFeeds(model)
    assertClose(await run(folded.model, feeds), await run(result.model, feeds), 100, 1e-5)
  })

  const folder = join(process.env['ONNXPRESS_SHARED'] ?? '../shared', 'models')
  const file = join(folder, 'mobilenet_v1_0.25_224.onnx')
  it('keeps the function of a real network with caps', {
    skip: existsSync(file) ? false : `no model at ${file}`,
  }, async () => {
    const model = await readModelFile(file)
    const feeds = randomFeeds(model)
    const folded = foldBatchNorm.apply(model, await contextOf(model, feeds))
    const context = { ...(await contextOf(folded.model, feeds)), statistics: folded.statistics }
    const result = equalizeClassic(folded.model, context)
    assertClose(await run(folded.model, feeds), await run(result.model, feeds), 100, 1e-4)
  })
})
