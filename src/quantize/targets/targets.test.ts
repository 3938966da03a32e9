import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import * as ort from 'onnxruntime-web'
import { randomFeeds } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { UnsupportedError, UsageError } from '../../base/index.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import { sqnrDb } from '../../math/index.ts'
import { type Model, printModel } from '../../onnx/index.ts'
import { typesOf, webRuntime, withSession } from '../../runtime/index.ts'
import { insertQdq } from '../insert.ts'
import { lintFusion } from '../lint.ts'
import { type QuantizeOptions, quantizeDefaults } from '../options.ts'
import { floatLayers, place } from '../placement/placement.ts'
import { makePlan, type Plan } from '../plan.ts'
import { targetOf, targets } from './index.ts'
import type { Target } from './target.ts'

const web = webRuntime(ort)
after(() => web.close())

const drawing = 'x[N,4,8,8] -> Conv 1x1 4->8 -> Relu -> Conv 3x3 8->8 group=8 -> a; a -> Conv 1x1 8->4 -> y'

/** A plan for values between −3 and 5. */
function planned(model: Model, options: Partial<QuantizeOptions>): Plan {
  const all = { ...quantizeDefaults, ...options }
  const placement = place(model, all, typesOf(model))
  const seen: TensorStatistics = { min: -3, max: 5, count: 1 } as TensorStatistics
  const statistics = new Map([...placement.tensors.keys()].map((value) => [value, seen]))
  return makePlan(model, placement, { statistics, options: all })
}

const placed = (model: Model, target: Target) => place(model, { ...quantizeDefaults, target }, typesOf(model))

describe('targets', () => {
  it('are found by their names; another name says which there are', () => {
    for (const target of targets) assert.equal(targetOf(target.name), target)
    assert.equal(new Set(targets.map(({ name }) => name)).size, targets.length)
    assert.throws(
      () => targetOf('ort-gpu'),
      (error) => error instanceof UsageError && targets.every(({ name }) => error.message.includes(name)),
    )
  })

  it('are named by their own files alone', () => {
    // The words of all registries stand in one list too, which a test holds against them.
    const own = /^src\/(quantize\/targets\/|recipe\/words\.ts$)/
    const words = targets.flatMap(({ name }) => [
      `'${name}'`,
      name.replace(/-(.)/g, (_, letter) => letter.toUpperCase()),
    ])
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((path) => `src/${path}`)
    const naming = files.filter((path) => {
      if (!path.endsWith('.ts') || path.endsWith('.test.ts') || own.test(path)) return false
      const text = readFileSync(path, 'utf8')
      return words.some((word) => text.includes(word))
    })
    assert.deepEqual(naming, [])
  })

  it('say in which layers they are faster in float, and the report says it too', () => {
    const model = tinyModel(drawing)
    const slow = { depthwise: true, why: 'it is slow there' }
    const [first] = targets
    const target = { ...first, ops: first.ops.map((op) => (op.op === 'Conv' ? { ...op, slow: [slow] } : op)) }
    assert.deepEqual(floatLayers(model, placed(model, first)), [])
    assert.deepEqual(floatLayers(model, placed(model, target)), [{ name: 'Conv_a', reason: slow.why }])
    assert.deepEqual([...placed(model, target).reasons.values()][0]?.code, 'slow')
  })

  it('say which grids there are', () => {
    const model = tinyModel(drawing)
    const [first] = targets
    const target: Target = {
      ...first,
      ops: first.ops.map(({ perChannel: _, ...op }) => op),
      activations: { types: ['int8'], symmetric: true },
    }
    const { activations, weights } = planned(model, { target, activationType: 'int8' })
    assert.deepEqual([...activations.get('x')!.params.zeroPoint], [0])
    assert.ok(Math.abs((activations.get('x')?.params.scale[0] ?? 0) - 5 / 127) < 1e-6)
    assert.ok([...weights.values()].every(({ scale, axis }) => scale.length === 1 && axis === undefined))
    assert.ok([...planned(model, {}).weights.values()].every(({ scale }) => scale.length > 1))
    assert.throws(() => planned(model, { target }), UnsupportedError)
  })

  it('say which inputs and outputs of an operator carry codes', () => {
    const between = 'x[N,4,8,8] -> Conv 1x1 4->8 -> a; a -> Sub =a -> b; b -> Conv 1x1 8->4 -> y'
    const model = tinyModel(between)
    const [first] = targets
    const joins: Target = { ...first, ops: [...first.ops, { op: 'Sub', role: 'integer', reads: 'all' }] }
    assert.equal(placed(model, first).integer.size, 2)
    assert.deepEqual([...placed(model, joins).tensors.keys()], ['x', 'a', 'b', 'y'])
    const split = tinyModel(
      'x[N,4,8,8] -> Conv 1x1 4->8 -> Split axis=1 and:r -> l; l -> Conv 1x1 4->4 -> u; r -> Conv 1x1 4->4 -> v',
    )
    assert.equal(placed(split, first).integer.size, 4)
    const one = { ...first, ops: first.ops.map(({ gives: _, ...op }) => op) }
    assert.equal(placed(split, one).integer.size, 3)
  })

  it('say what stops a fusion, and which kernels are integers', () => {
    const model = tinyModel(drawing)
    const written = insertQdq(model, planned(model, {}))
    const [first] = targets
    const kernels = (target: Target) => lintFusion(written, written, target).map(({ integer }) => integer)
    assert.deepEqual(kernels(first), [false, false, false])
    assert.deepEqual(kernels({ ...first, kernels: { Conv: [1] } }), [true, true, true])
    const free = { ...first, fusion: { ...first.fusion, blockedBy: [] } }
    const above = tinyModel(
      'x[N,4,8,8] -> Conv 1x1 4->8 -> a; a -> Clip number(0.5) number(6) -> b; b -> Conv 1x1 8->4 -> y',
    )
    assert.ok(placed(above, first).tensors.has('a'))
    assert.deepEqual([...placed(above, free).tensors.keys()], ['x', 'b', 'y'])
  })
})

describe('files for WebAssembly', () => {
  const target = targetOf('ort-wasm')

  const wide = 'Conv 1x1 16->16 -> Relu -> Conv 3x3 16->16 group=16 -> a; a -> Conv 1x1 16->16'
  const model = tinyModel(`x[N,3,8,8] -> Conv 3x3 3->16 -> s; s -> ${wide} -> y`)

  it('keep depthwise convolutions and those over few channels in float, and the rest in integers', () => {
    assert.deepEqual(
      floatLayers(model, placed(model, target)).map(({ name }) => name),
      ['Conv_s', 'Conv_a'],
    )
    assert.equal(placed(model, target).layers.size, 2)
  })

  for (const [what, activationType] of [
    ['uint8', 'uint8'],
    ['int8', 'int8'],
  ] as const)
    it(`run there as they are simulated, with ${what} activations`, async () => {
      const written = insertQdq(model, planned(model, { target, activationType }))
      const run = (simulate: boolean) =>
        withSession(web, written, { simulate }, (session) => session.run(randomFeeds(model))).then(
          ({ y }) => y?.data as Float32Array,
        )
      assert.ok((sqnrDb(await run(true), await run(false)) ?? 99) > 30, printModel(written))
    })
})
