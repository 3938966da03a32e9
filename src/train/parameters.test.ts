import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../test/support/assert-near.ts'
import { randomFeeds, run } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { type Model, nodeName, Tensor } from '../onnx/index.ts'
import { logitsOf } from './loss/logits.ts'
import { countParameters, findParameters, isMatrix, movesChannels, type TrainWhat, withBiases } from './parameters.ts'
import { relativeRates, rms, scaleRates } from './quant/rates.ts'
import { initialValues, valuesOf, withValues } from './values.ts'

const every = () => true
const drawing =
  'x[N,3,6,6] -> Conv 3x3 3->4 -> BatchNormalization -> PRelu floats[4,1,1] -> Conv 3x3 4->4 group=2 nobias -> GlobalAveragePool -> Flatten -> Gemm 4->5 transB=1 -> y'
const named = (model: Model, what: TrainWhat, selected: Parameters<typeof findParameters>[2] = every) =>
  findParameters(model, what, selected).map(({ name, kind }) => `${kind} ${name}`)

describe('what can be trained', () => {
  const model = tinyModel(drawing)
  const [conv, norm, slope, grouped, last] = model.graph.nodes
    .filter((node) => node.inputs.length > 1)
    .map((node) => node.inputs.slice(1))

  it('is what a person asks for: biases, weights, the last layer, or all', () => {
    assert.deepEqual(named(model, 'biases'), [`bias ${conv?.[1]}`, `bias ${norm?.[1]}`, `bias ${last?.[1]}`])
    const weights = [`weight ${conv?.[0]}`, `bias ${conv?.[1]}`, `weight ${grouped?.[0]}`]
    assert.deepEqual(named(model, 'weights'), [...weights, `weight ${last?.[0]}`, `bias ${last?.[1]}`])
    assert.deepEqual(named(model, 'last'), [`weight ${last?.[0]}`, `bias ${last?.[1]}`])
    const all = named(model, 'all')
    assert.deepEqual(all.slice(2, 5), [`norm ${norm?.[0]}`, `bias ${norm?.[1]}`, `other ${slope?.[0]}`])
    assert.equal(all.length, 8)
    // Means and variances follow the batches; they are not learned.
    assert.ok(!all.some((name) => name.endsWith(norm?.[2] ?? '?') || name.endsWith(norm?.[3] ?? '?')))
  })

  it('is only what is selected, and nothing at all is an error that says what was asked', () => {
    assert.equal(named(model, 'all', (node) => node.opType === 'Gemm').length, 2)
    assert.throws(() => named(model, 'biases', () => false), {
      name: 'UnsupportedError',
      message: /no float32 biases of layers .* --train biases and --only select/,
    })
  })

  it('counts its numbers', () => {
    assert.equal(countParameters(findParameters(model, 'last', every)), 5 * 4 + 5)
  })

  it('are vectors that are added and factors behind a layer, but no masks, and nothing in front of one', () => {
    const behind = tinyModel('x[N,3] -> Mul floats[3] -> Gemm 3->4 -> Add floats[4] -> Mul floats[4] -> y')
    const [front, , added, factor] = behind.graph.nodes.map((node) => node.inputs[1] ?? '')
    const names = named(behind, 'all')
    assert.ok(!names.some((name) => name.endsWith(front ?? '?')))
    assert.ok(names.includes(`bias ${added}`) && names.includes(`other ${factor}`), names.join())
    behind.graph.initializers.set(factor ?? '', Tensor.from('float32', [4], [1, -1e9, 1, 1]))
    assert.ok(!named(behind, 'all').includes(`other ${factor}`))
  })

  it('is a matrix for a layer without groups that is neither a row nor too large', () => {
    const [weight] = findParameters(model, 'weights', (node) => node.opType === 'Gemm')
    assert.equal(weight && isMatrix(weight), true)
    assert.equal(weight && isMatrix({ ...weight, dims: [1, 20] }), false)
    assert.equal(weight && isMatrix({ ...weight, dims: [2000, 2000] }), false)
    const own = findParameters(model, 'weights', (node) => nodeName(node) === nodeName(model.graph.nodes[3]!))
    assert.equal(own.some(isMatrix), false, 'of groups')
  })
})

describe('matrices that move channels about', () => {
  const moves = (values: number[]) => movesChannels(Tensor.from('float32', [2, values.length / 2], values))

  it('have one number, 1 or −1, in each row and column', () => {
    assert.equal(moves([0, -1, 1, 0]), true)
    assert.equal(moves([0, 0, 1, 0, 1, 0]), true)
    assert.equal(moves([0, 2, 1, 0]), false)
    assert.equal(moves([1, 1, 0, 0]), false)
    assert.equal(moves([1, 0, 1, 0]), false)
    assert.equal(movesChannels(Tensor.from('float32', [1, 2], [1, 0])), false)
  })

  it('are not those of zeros, which a training begins with', () => {
    assert.equal(moves([0, 0, 0, 0]), false)
    const model = tinyModel('x[N,2] -> Gemm 2->2 -> y')
    model.graph.initializers.set('y_weight', Tensor.from('float32', [2, 2], [0, 0, 0, 0]))
    assert.deepEqual(named(model, 'weights'), ['weight y_weight', 'bias y_bias'])
  })
})

describe('biases of zeros', () => {
  it('come to every layer that has a place for one and none, and change nothing', async () => {
    const model = tinyModel('x[N,3,6,6] -> Conv 3x3 3->4 nobias -> Relu -> Conv 1x1 4->2 -> y')
    const biased = withBiases(model)
    assert.equal(named(biased, 'biases').length, 2)
    assert.equal(named(model, 'biases').length, 1, 'the model that was given has none')
    const feeds = randomFeeds(model)
    assert.deepEqual((await run(biased, feeds))['y']?.data, (await run(model, feeds))['y']?.data)
  })
})

describe('values of what is trained', () => {
  const model = tinyModel('x[N,3] -> Gemm 3->4 transB=1 -> y')
  const parameters = findParameters(model, 'weights', every)

  it('are copies, and go back into a model of the same shapes', () => {
    const values = valuesOf(model, parameters)
    values.get('y_bias')?.fill(7)
    assert.notEqual(model.graph.initializers.get('y_bias')?.floats()[0], 7)
    const changed = withValues(model, new Map([...values, ['nobody', Float32Array.of(1)]]))
    assert.deepEqual([...(changed.graph.initializers.get('y_bias')?.floats() ?? [])], [7, 7, 7, 7])
    assert.deepEqual(changed.graph.initializers.get('y_weight')?.shape, [4, 3])
    values.get('y_bias')?.fill(9)
    assert.equal(changed.graph.initializers.get('y_bias')?.floats()[0], 7, 'what is trained on does not reach it')
  })

  it('begin, from nothing, within √(6/inputs) for weights and at 0 for biases, by the seed', () => {
    const wide = tinyModel('x[N,64] -> Gemm 64->50 -> BatchNormalization -> y')
    const norm = wide.graph.nodes[1]?.inputs ?? []
    const norms = [
      { node: 'n', mean: norm[3] ?? '', variance: norm[4] ?? '', batchMean: '', batchVariance: '', momentum: 0.9 },
    ]
    const begin = (seed: number) => initialValues(wide, findParameters(wide, 'all', every), norms, seed)
    const values = begin(1)
    const weight = values.get('v1_weight') ?? new Float32Array(0)
    const bound = Math.sqrt(6 / 64)
    assert.ok(weight.every((value) => Math.abs(value) <= bound))
    // A uniform distribution of that width has a deviation of √(2/inputs).
    assertNear([rms(weight)], [Math.sqrt(2 / 64)], 0.005)
    assert.ok(values.get('v1_bias')?.every((value) => value === 0))
    for (const [index, value] of [1, 0, 0, 1].entries())
      assert.ok(
        values.get(norm[index + 1] ?? '')?.every((each) => each === value),
        norm[index + 1],
      )
    assert.deepEqual(begin(1), values)
    assert.notDeepEqual(begin(2).get('v1_weight'), weight)
  })
})

describe('learning rates relative to what is trained', () => {
  const model = tinyModel('x[N,4] -> Gemm 4->2 transB=1 -> y')
  model.graph.initializers.set('y_weight', Tensor.from('float32', [2, 4], [3, -3, 3, -3, 3, 3, 3, 3]))
  const layer = findParameters(model, 'weights', every)
  const scale = { name: 's', kind: 'scale', dims: [], node: 'Gemm_y' } as const
  const initial = new Map([
    ['y_weight', Float32Array.of(3, -3, 3, -3, 3, 3, 3, 3)],
    ['y_bias', Float32Array.of(0, 0)],
    ['s', Float32Array.of(0.5)],
  ])

  it('are the size of a weight, what a layer gives for a bias, and a tenth of a scale', () => {
    const rate = relativeRates(model, [...layer, scale], initial)
    assertNear([rate('y_weight'), rate('y_bias'), rate('s'), rate('nobody')], [3, 6, 0.05, 1], 1e-6)
    const large = relativeRates(model, layer, new Map([...initial, ['y_bias', Float32Array.of(100, 100)]]))
    assertNear([large('y_bias')], [100], 1e-4)
    const dead = relativeRates(model, layer, new Map([['y_weight', new Float32Array(8)]]))
    assert.equal(dead('y_weight'), 1, 'of zeros')
  })

  it('of scales alone are relative to an average weight', () => {
    const rate = scaleRates(model, [...layer, scale], initial)
    assertNear([rate('y_weight'), rate('y_bias'), rate('s')], [1, 1, 0.05 / 3], 1e-6)
  })
})

describe('the scores that a loss compares', () => {
  const logits = (steps: string) => logitsOf(tinyModel(`x[N,4] -> Gemm 4->4 -> l -> ${steps}`))

  it('stand in front of a final Softmax, also behind what only reshapes', () => {
    assert.equal(logits('Softmax -> y'), 'l')
    assert.equal(logits('LogSoftmax -> s -> Identity -> t -> Flatten -> y'), 'l')
  })

  it('are the output itself where no Softmax ends the model', () => {
    assert.equal(logits('Relu -> y'), 'y')
    assert.equal(logits('Softmax -> s -> Relu -> y'), 'y')
    assert.equal(logits('Flatten -> y'), 'y')
    assert.equal(logitsOf(tinyModel('x[N,4] -> Softmax -> a; x -> Relu -> b'), 'b'), 'b')
  })
})
