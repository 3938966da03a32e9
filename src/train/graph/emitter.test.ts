import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear } from '../../../test/support/assert-near.ts'
import { run } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { sizeOf, type TensorValue } from '../../base/index.ts'
import { randomStream } from '../../math/index.ts'
import { GraphEditor, isOp, Tensor } from '../../onnx/index.ts'
import { broadcastDims, reducedTo } from './broadcast.ts'
import { Emitter } from './emitter.ts'
import { sliceSize } from './slice-size.ts'

type Shapes = Readonly<Record<string, readonly number[]>>

/** A graph with these inputs and nothing in it. */
function emitterOf(shapes: Shapes): Emitter {
  const editor = new GraphEditor(tinyModel('unread[1] -> Relu -> r', { opset: 18 }))
  editor.graph.inputs.splice(0)
  editor.graph.outputs.splice(0)
  for (const node of editor.nodes()) editor.removeNode(node)
  const g = new Emitter(editor, new Map())
  for (const [name, dims] of Object.entries(shapes)) assert.equal(g.input(name, dims), name)
  return g
}

function feedsOf(shapes: Shapes): Record<string, TensorValue> {
  const random = randomStream(2, 'emitted')
  return Object.fromEntries(
    Object.entries(shapes).map(([name, dims]) => [
      name,
      { dtype: 'float32', dims, data: Float32Array.from({ length: sizeOf(dims) }, () => random.normal()) },
    ]),
  )
}

/** Runs what `build` emits; every value must have the shape that the emitter says. */
async function emitted(shapes: Shapes, build: (g: Emitter) => string | readonly string[]): Promise<number[][]> {
  const g = emitterOf(shapes)
  const built = build(g)
  const names = typeof built === 'string' ? [built] : built
  for (const name of names) g.editor.graph.outputs.push({ name, dtype: 'float32' })
  const values = await run(g.editor.finish(), feedsOf(shapes))
  return names.map((name) => {
    assert.deepEqual([...(values[name]?.dims ?? [])], [...g.dims(name)], name)
    return [...(values[name]?.data as Float32Array)]
  })
}

const shapes = { a: [2, 3], b: [3, 4], c: [4, 3], row: [3] }
const given = Object.fromEntries(
  Object.entries(feedsOf(shapes)).map(([name, { data }]) => [name, [...(data as Float32Array)]]),
)
const [a = [], b = [], c = [], row = []] = [given['a'], given['b'], given['c'], given['row']]

/** A [2, 3] · B [3, 4] */
const product = Array.from({ length: 8 }, (_, i) =>
  [0, 1, 2].reduce((sum, k) => sum + (a[Math.floor(i / 4) * 3 + k] ?? 0) * (b[k * 4 + (i % 4)] ?? 0), 0),
)

describe('nodes that an emitter writes', () => {
  it('multiply matrices, also read transposed, as a MatMul or a Gemm', async () => {
    const [plain = [], gemm = []] = await emitted(shapes, (g) => [g.matMul('a', 'b'), g.gemm('a', 'b', { alpha: 2 })])
    assertNear(plain, product, 1e-5)
    assertNear(
      gemm,
      product.map((value) => 2 * value),
      1e-5,
    )
    const ways = await emitted(shapes, (g) => {
      const [left, right] = [g.transpose('a', [1, 0]), g.transpose('b', [1, 0])]
      return [
        ...[g.matMul(left, 'b', { transA: true }), g.matMul('a', right, { transB: true })],
        ...[g.gemm(left, right, { transA: true, transB: true }), g.matMul(left, right, { transA: true, transB: true })],
      ]
    })
    for (const way of ways) assertNear(way, product, 1e-5)
  })

  it('multiply batches of matrices, and broadcast over them', async () => {
    const batched = { x: [3, 1, 2, 4], y: [2, 4, 5] }
    const [whole = []] = await emitted(batched, (g) => g.matMul('x', 'y'))
    assert.equal(whole.length, 3 * 2 * 2 * 5)
    const [part = []] = await emitted(batched, (g) =>
      g.matMul(
        g.reshape(g.slice('x', [0], { starts: [2], ends: [3] }), [2, 4]),
        g.reshape(g.slice('y', [0], { starts: [1], ends: [2] }), [4, 5]),
      ),
    )
    assertNear(whole.slice(-10), part, 1e-5)
  })

  it('broadcast, and undo it by sums', async () => {
    const [sum = [], back = []] = await emitted(shapes, (g) => {
      const both = g.plus('a', 'row')
      return [both, g.sumTo(both, [3])]
    })
    assertNear(
      sum,
      a.map((value, i) => value + (row[i % 3] ?? 0)),
      1e-6,
    )
    assertNear(
      back,
      [0, 1, 2].map((i) => (sum[i] ?? 0) + (sum[3 + i] ?? 0)),
      1e-6,
    )
  })

  it('reduce over axes, kept or not, and over none', async () => {
    const [rows = [], kept = [], mean = [], largest = []] = await emitted(shapes, (g) => [
      g.sum('a', [1]),
      g.sum('a', [0], true),
      g.mean('a', [0, 1]),
      g.reduce('ReduceMax', 'b', [1]),
    ])
    const total = (values: readonly number[]) => values.reduce((x, y) => x + y, 0)
    assertNear(rows, [total(a.slice(0, 3)), total(a.slice(3))], 1e-6)
    assertNear(
      kept,
      [0, 1, 2].map((i) => (a[i] ?? 0) + (a[i + 3] ?? 0)),
      1e-6,
    )
    assertNear(mean, [total(a) / 6], 1e-6)
    assertNear(
      largest,
      [0, 1, 2].map((i) => Math.max(...b.slice(4 * i, 4 * i + 4))),
      0,
    )
    const g = emitterOf(shapes)
    assert.equal(g.sum('a', []), 'a')
  })

  it('cut, pad, join and pick', async () => {
    const [cut = [], stepped = [], padded = [], joined = [], picked = []] = await emitted(shapes, (g) => [
      g.slice('b', [0, 1], { starts: [1, 0], ends: [3, 2] }),
      g.slice('b', [1], { starts: [0], ends: [4], steps: [3] }),
      g.pad('row', [1, -1]),
      g.concat(['b', g.transpose('c', [1, 0])], 1),
      g.gather('b', [2, 2, 0], 0),
    ])
    assertNear(cut, [b[4] ?? 0, b[5] ?? 0, b[8] ?? 0, b[9] ?? 0], 0)
    assertNear(
      stepped,
      [0, 3, 4, 7, 8, 11].map((i) => b[i] ?? 0),
      0,
    )
    assertNear(padded, [0, row[0] ?? 0, row[1] ?? 0], 0)
    assertNear(joined.slice(0, 8), [...b.slice(0, 4), c[0] ?? 0, c[3] ?? 0, c[6] ?? 0, c[9] ?? 0], 0)
    assertNear(picked, [...b.slice(8), ...b.slice(8), ...b.slice(0, 4)], 0)
  })

  it('cut from the end, beyond it and backwards, as ONNX counts', async () => {
    // Start, end and step on an axis of 4 → the places that are left.
    const cuts: readonly (readonly [start: number, end: number, step: number, places: readonly number[]])[] = [
      [-3, -1, 1, [1, 2]],
      [2, 99, 1, [2, 3]],
      [-99, 3, 2, [0, 2]],
      [3, -5, -1, [3, 2, 1, 0]],
      [3, 1, -1, [3, 2]],
      [9, -9, -2, [3, 1]],
      [-1, 0, -3, [3]],
      [0, -99, -1, [0]],
    ]
    const values = await emitted(shapes, (g) =>
      cuts.map(([start, end, step]) => g.slice('b', [1], { starts: [start], ends: [end], steps: [step] })),
    )
    for (const [index, [start, end, step, places]] of cuts.entries()) {
      const rows = [0, 4, 8].flatMap((row) => places.map((place) => b[row + place] ?? 0))
      assertNear(values[index], rows, 0, `${start} to ${end} by ${step}`)
    }
    assert.equal(emitterOf(shapes).slice('row', [0], { starts: [0], ends: [99], steps: [1] }), 'row')
  })

  it('fill, repeat, compare and scale', async () => {
    const [filled = [], repeated = [], larger = [], twice = []] = await emitted(shapes, (g) => [
      g.filled([2, 2], 3),
      g.expand('row', [2, 3]),
      g.mask('Greater', 'a', g.scalar(0)),
      g.scaled('row', 2),
    ])
    assert.deepEqual(filled, [3, 3, 3, 3])
    assertNear(repeated, [...row, ...row], 0)
    assert.deepEqual(
      larger,
      a.map((value) => (value > 0 ? 1 : 0)),
    )
    assertNear(
      twice,
      row.map((value) => 2 * value),
      0,
    )
  })

  it('are none where there is nothing to do', () => {
    const g = emitterOf(shapes)
    const same = [
      ...[g.scaled('a', 1), g.transpose('a', [0, 1]), g.reshape('a', [2, 3]), g.expand('a', [2, 3])],
      ...[
        g.pad('a', [0, 0, 0, 0]),
        g.concat(['a'], 0),
        g.slice('a', [0], { starts: [0], ends: [2] }),
        g.sumTo('a', [2, 3]),
      ],
    ]
    assert.deepEqual(new Set(same), new Set(['a']))
    assert.equal(g.editor.nodes().length, 0)
  })

  it('share equal constants, but not those of another shape or type', () => {
    const g = emitterOf({})
    assert.equal(g.floats([2], [1, 2]), g.floats([2], [1, 2]))
    assert.notEqual(g.floats([2], [1, 2]), g.floats([1, 2], [1, 2]))
    assert.notEqual(g.floats([2], [1, 2]), g.ints([1, 2]))
    const long = Tensor.from('float32', [65], new Float32Array(65))
    assert.notEqual(g.constant(long), g.constant(long))
    let made = 0
    const once = () => g.once('key', () => `value ${++made}`)
    assert.deepEqual([once(), once(), made], ['value 1', 'value 1', 1])
  })

  it('cannot be written of a value whose shape was not observed', () => {
    assert.throws(() => emitterOf(shapes).plus('a', 'never'), {
      name: 'UnsupportedError',
      message: 'cannot train: the shape of "never" was not observed',
    })
  })

  it('may be an output more of a node that is there', () => {
    const g = new Emitter(new GraphEditor(tinyModel('x[2,4] -> Dropout -> y')), new Map())
    const [dropout] = g.editor.nodes()
    const mask = g.extraOutput(dropout!, 1, [2, 4], 'bool')
    assert.equal(g.extraOutput(dropout!, 1, [2, 4], 'bool'), mask)
    assert.ok(isOp(dropout!, 'Dropout') && dropout?.outputs[1] === mask)
    assert.equal(g.isFloat(mask), false)
    assert.equal(g.isFloat(''), false)
  })
})

describe('a slice', () => {
  it('has as many elements as there are places on the way', () => {
    const place = fc.integer({ min: -9, max: 9 })
    const steps = fc.constantFrom(-3, -2, -1, 1, 2, 3)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), place, place, steps, (size, start, end, step) => {
        const [from, to] = [start, end].map((each) => (each < 0 ? each + size : each)) as [number, number]
        // Walks from the start; where that lies outside, from the nearest place that does not.
        let at = step > 0 ? Math.max(from, 0) : Math.min(Math.max(from, 0), size - 1)
        let count = 0
        for (; at >= 0 && at < size && (step > 0 ? at < to : at > to); at += step) count++
        assert.equal(sliceSize(size, start, end, step), count)
      }),
    )
  })
})

describe('shapes that broadcast', () => {
  const dims = fc.array(fc.constantFrom(1, 2, 3), { maxLength: 4 })

  it('give the shape that summing over the repeated axes takes back', () => {
    fc.assert(
      fc.property(dims, dims, (first, second) => {
        const rank = Math.max(first.length, second.length)
        const pairs = Array.from(
          { length: rank },
          (_, i) => [first.at(i - rank) ?? 1, second.at(i - rank) ?? 1] as const,
        )
        fc.pre(pairs.every(([x, y]) => x === y || x === 1 || y === 1))
        const result = broadcastDims(first, second)
        assert.deepEqual(
          result,
          pairs.map(([x, y]) => Math.max(x, y)),
        )
        for (const own of [first, second]) {
          const axes = new Set(reducedTo(result, own))
          assert.equal(sizeOf(result.map((dim, axis) => (axes.has(axis) ? 1 : dim))), sizeOf(own))
        }
      }),
    )
  })
})
