import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contextOf, randomFeeds, run, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { UnsupportedError, UsageError } from '../base/index.ts'
import { calibrate } from '../calibrate/index.ts'
import type { Batch } from '../data/index.ts'
import { layersOf, type Model } from '../onnx/index.ts'
import { typesOf, type Values } from '../runtime/index.ts'
import { insertQdq } from './insert.ts'
import { quantizeDefaults } from './options.ts'
import type { Overrides } from './overrides.ts'
import { place } from './placement/placement.ts'
import { makePlan, type Plan, tensorsToObserve } from './plan.ts'
import { switchable } from './switches.ts'
import { weightBitsOf } from './weight-bits.ts'

async function planOf(model: Model, overrides: Overrides = {}): Promise<Plan> {
  const options = { ...quantizeDefaults, overrides }
  const placement = place(model, options, typesOf(model))
  const { shapes } = await contextOf(model)
  async function* batches(): AsyncGenerator<Batch> {
    for (let seed = 1; seed <= 4; seed++)
      yield { ids: [`${seed}`, `${seed}b`], size: 2, inputs: randomFeeds(model, seed) }
  }
  const requests = tensorsToObserve(placement).map(({ value }) => ({ value }))
  const statistics = await calibrate(await testRuntime(), model, batches(), { requests, shapes, total: 8 })
  return makePlan(model, placement, { statistics, options })
}

const numbers = (values: Values) => Object.values(values).flatMap(({ data }) => Array.from(data, Number))

describe('a model with switches', () => {
  const drawing =
    'x[N,4,8,8] -> Conv 3x3 4->8 -> Relu -> a; a -> Conv 3x3 8->4 -> b; a -> Conv 3x3 8->4 -> Add =b -> c; c -> Conv 1x1 4->4 -> y'

  it('computes the float model with none on, and the simulation with all of them', async () => {
    const model = tinyModel(drawing)
    const plan = await planOf(model)
    const form = switchable(model, plan)
    const feeds = randomFeeds(model, 9)
    const none = await run(form.model, { ...feeds, ...form.feeds(new Set()) })
    assert.deepEqual(numbers(none), numbers(await run(model, feeds)))
    const all = await run(form.model, { ...feeds, ...form.feeds(new Set(form.switches)) })
    assert.deepEqual(numbers(all), numbers(await run(insertQdq(model, plan), feeds)))
    assert.notDeepEqual(numbers(all), numbers(none))
  })

  it('has one for the weights of each layer and one for each grid of a value', async () => {
    const model = tinyModel(drawing)
    const { switches } = switchable(model, await planOf(model))
    const of = (kind: string) => switches.flatMap((each) => (each.kind === kind ? [each.name] : []))
    assert.deepEqual(
      of('weights').sort(),
      layersOf(model)
        .map(({ name }) => name)
        .sort(),
    )
    assert.ok(of('activation').includes('x') && of('activation').includes('c'), of('activation').join())
    assert.equal(new Set(of('activation')).size, of('activation').length)
  })

  it('does with one switch what a plan with that grid alone does', async () => {
    const model = tinyModel(drawing)
    const plan = await planOf(model)
    const form = switchable(model, plan)
    const feeds = randomFeeds(model, 9)
    const own = form.switches.find(({ kind, name }) => kind === 'activation' && name === 'x')
    assert.ok(own)
    const grid = plan.activations.get('x')
    assert.ok(grid)
    const alone = insertQdq(model, { ...plan, activations: new Map([['x', grid]]), weights: new Map() })
    assert.deepEqual(
      numbers(await run(form.model, { ...feeds, ...form.feeds(new Set([own])) })),
      numbers(await run(alone, feeds)),
    )
  })
})

describe('overrides', () => {
  const drawing = 'x[N,4,8,8] -> Conv 3x3 4->8 -> Relu -> a; a -> Conv 3x3 8->4 -> y'

  it('give a value the range that they name, and say so', async () => {
    const model = tinyModel(drawing)
    const usual = (await planOf(model)).activations.get('a')
    const given = (await planOf(model, { a: { range: [0, 0.5] } })).activations.get('a')
    assert.ok(usual && given)
    assert.ok(usual.high > 1, `${usual.high}`)
    assert.ok(Math.abs(given.high - 0.5) < 1e-6 && given.low === 0, `${given.low} to ${given.high}`)
    assert.equal(given.method, 'given by --overrides')
  })

  it('make a grid symmetric, by a pattern as well', async () => {
    const model = tinyModel(drawing)
    const middle = async (overrides: Overrides) =>
      (await planOf(model, overrides)).activations.get('x')?.params.zeroPoint[0]
    assert.ok(![127, 128].includes((await middle({})) ?? 0), 'samples are not symmetric')
    assert.ok(
      [127, 128].includes((await middle({ '/^x$/': { symmetric: true } })) ?? 0),
      'around the middle of 0 to 255',
    )
    assert.equal(await middle({ 'x*': { range: [-2, 6] } }), 64)
  })

  it('leave values and layers in float', async () => {
    const model = tinyModel(drawing)
    const [first, second] = layersOf(model)
    assert.ok(first && second)
    const byValue = await planOf(model, { a: { float: true } })
    assert.equal(byValue.activations.has('a'), false)
    assert.match(
      byValue.placement.reasons.get(second.name)?.text ?? JSON.stringify([...byValue.placement.reasons]),
      /--overrides/,
    )
    const byLayer = await planOf(model, { [first.name]: { float: true } })
    assert.equal(byLayer.weights.has(first.name), false)
    assert.equal(byLayer.weights.has(second.name), true)
  })

  it('give a value a type of its own, which those that share its grid have too', async () => {
    const pooled = tinyModel('x[N,4,8,8] -> Conv 3x3 4->8 -> a -> MaxPool 2x2 -> p -> Conv 1x1 8->4 -> y', {
      opset: 21,
    })
    const plan = await planOf(pooled, { p: { type: 'uint16' }, x: { type: 'int8' } })
    const types = Array.from(plan.activations, ([value, { params }]) => [value, params.dtype])
    assert.deepEqual(types, [
      ['x', 'int8'],
      ['a', 'uint16'],
      ['y', 'uint8'],
      ['p', 'uint16'],
    ])
    const written = insertQdq(pooled, plan)
    assert.equal(written.graph.initializers.get('a/zero_point')?.dtype, 'uint16')
    assert.ok(numbers(await run(written, randomFeeds(pooled, 1))).every(Number.isFinite))
  })

  it('give a layer 4 bits, by its name or by its weight', async () => {
    const model = tinyModel(drawing)
    const [first, second] = layersOf(model)
    assert.ok(first && second)
    const bits = async (name: string) => {
      const said = { ...quantizeDefaults, overrides: { [name]: { type: 'int4' as const } } }
      return [...weightBitsOf([first, second], model.graph.nodes, said).values()]
    }
    assert.deepEqual(await bits(first.name), [4, 8])
    assert.deepEqual(await bits(second.node.inputs[1] ?? ''), [8, 4])
  })

  it('refuse a type that fits no such tensor, or that the target does not have', async () => {
    const model = tinyModel(drawing)
    const [first] = layersOf(model)
    await assert.rejects(
      planOf(model, { a: { type: 'int4' } }),
      (error) => error instanceof UsageError && /asks for int4, and fits no layer/.test(error.message),
    )
    await assert.rejects(
      planOf(model, { [first?.name ?? '']: { type: 'uint16' } }),
      (error) =>
        error instanceof UsageError && /asks for uint16, and fits no value that gets a grid/.test(error.message),
    )
    const { target } = quantizeDefaults
    const few = { ...target, name: 'few', activations: { ...target.activations, types: ['uint8' as const] } }
    assert.throws(
      () => place(model, { ...quantizeDefaults, target: few, overrides: { a: { type: 'int16' } } }, typesOf(model)),
      (error) => error instanceof UnsupportedError && /values of few can be uint8/.test(error.message),
    )
  })

  it('name the nearest tensor where a name fits none', async () => {
    const model = tinyModel('image[N,4,8,8] -> Conv 3x3 4->8 -> y')
    await assert.rejects(
      planOf(model, { imgae: { float: true } }),
      /--overrides "imgae" fits no tensor and no node; did you mean image\?/,
    )
  })
})
