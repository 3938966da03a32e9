import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear } from '../../test/support/assert-near.ts'
import { contextOf, randomFeeds, run, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import {
  floatAttr,
  GraphEditor,
  intAttr,
  isOp,
  layersOf,
  type Model,
  type Shapes,
  Tensor,
  type ViewedLayer,
} from '../onnx/index.ts'
import { addBorderMap, hasBorder } from './absorb/border-map.ts'
import { applyRewrites } from './apply.ts'
import { compose, constantAffineOf, normOf, rescale } from './batch-norm/affine.ts'
import { featureChannels, moveChannels } from './batch-norm/element-channels.ts'
import { boundChannels, NO_BOUND } from './channel-clip.ts'
import { editModel } from './edit-pass.ts'
import type { Pass } from './rewrite.ts'

const float32 = (dims: readonly number[]) => ({ dtype: 'float32' as const, dims })

describe('affine maps of channels', () => {
  const numbers = fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: 3, maxLength: 3 })
  const maps = fc.record({ scale: numbers, shift: numbers }).map(({ scale, shift }) => ({
    scale: Float64Array.from(scale),
    shift: Float64Array.from(shift),
  }))
  const at = ({ scale, shift }: { scale: Float64Array; shift: Float64Array }, x: number, c: number) =>
    (scale[c] ?? 0) * x + (shift[c] ?? 0)

  it('one after the other are one', () => {
    fc.assert(
      fc.property(maps, maps, fc.double({ min: -9, max: 9, noNaN: true }), (first, second, x) => {
        const both = compose(first, second)
        for (let c = 0; c < 3; c++) assertNear([at(both, x, c)], [at(second, at(first, x, c), c)], 1e-9)
      }),
    )
  })

  it('move the mean of a channel, and stretch its deviation by the size of the factor', () => {
    const statistics = { mean: Float64Array.of(1, 2), deviation: Float64Array.of(3, 4), source: 'calibrated' as const }
    const map = { scale: Float64Array.of(-2, 0), shift: Float64Array.of(5, 6) }
    assert.deepEqual(rescale(statistics, map), {
      mean: Float64Array.of(3, 6),
      deviation: Float64Array.of(6, 0),
      source: 'calibrated',
    })
  })

  const normed = (change: (model: Model) => void = () => {}) => {
    const model = tinyModel('x[N,3] -> BatchNormalization -> y')
    const list = (name: string, values: number[]) =>
      model.graph.initializers.set(`y_${name}`, Tensor.from('float32', [values.length], values))
    list('scale', [2, -1, 0])
    list('shift', [1, 1, 7])
    list('mean', [3, 0, 5])
    list('variance', [3, 0.24, 1e-9])
    model.graph.nodes[0]?.attributes.set('epsilon', floatAttr(0.01))
    change(model)
    const editor = new GraphEditor(model)
    return normOf(editor, editor.nodes()[0]!)
  }

  it('of a BatchNormalization are γ/√(v + ε) and β − μ·that', () => {
    const norm = normed()
    assert.ok(typeof norm !== 'string')
    const scale = [2 / Math.sqrt(3.01), -1 / 0.5, 0]
    assertNear(norm.scale, scale, 1e-6)
    assertNear(norm.shift, [1 - 3 * (scale[0] ?? 0), 1, 7], 1e-6)
    assertNear(norm.output.deviation, [2, 1, 0], 1e-6)
    assertNear(norm.input.deviation, [Math.sqrt(3), Math.sqrt(0.24), Math.sqrt(1e-9)], 1e-6)
    assert.deepEqual(norm.nearDead, [2])
  })

  it('are not known of a BatchNormalization in training, or of one whose parameters are computed or float integers', () => {
    const said = (change: (model: Model) => void) => normed(change)
    const attribute = (name: string, value: bigint) => (model: Model) =>
      void model.graph.nodes[0]?.attributes.set(name, intAttr(Number(value)))
    assert.equal(said(attribute('training_mode', 1n)), 'it is in training mode')
    assert.match(String(said(attribute('spatial', 0n))), /statistics for each pixel/)
    assert.match(String(said((model) => void model.graph.initializers.delete('y_mean'))), /not constants/)
  })

  it('of a damaged BatchNormalization name the node and the channel', () => {
    const damage = (name: string, values: number[]) => () =>
      normed((model) => void model.graph.initializers.set(`y_${name}`, Tensor.from('float32', [values.length], values)))
    assert.throws(damage('variance', [1, -0.5, 1]), {
      name: 'InputError',
      message: /"BatchNormalization_y" cannot be computed in channel 1: variance -0\.5/,
    })
    assert.throws(damage('scale', [1, 1, Number.NaN]), /in channel 2: .* scale NaN/)
    assert.throws(damage('mean', [1, 1]), /has 3,3,2,3 parameters/)
  })

  it('are read off a Mul, Add, Sub or Div with one number a channel, and off no other', () => {
    const affine = (step: string, value = 'x', rank = 4) => {
      const editor = new GraphEditor(tinyModel(`x[N,3,2,2] -> ${step} -> y`))
      const [node] = editor.nodes()
      for (const [name, tensor] of editor.graph.initializers)
        if (tensor.size === 3) editor.graph.initializers.set(name, Tensor.from('float32', tensor.shape, [2, 4, 5]))
      if (value === 'swapped') node!.inputs.reverse()
      const found = constantAffineOf(editor, node!, 'x', { channels: 3, fromEnd: -3, rank })
      return found && [[...found.scale], [...found.shift]]
    }
    const zeros = [0, 0, 0]
    const ones = [1, 1, 1]
    assert.deepEqual(affine('Mul floats[3,1,1]'), [[2, 4, 5], zeros])
    assert.deepEqual(affine('Add floats[1,3,1,1]'), [ones, [2, 4, 5]])
    assert.deepEqual(affine('Sub floats[3,1,1]'), [ones, [-2, -4, -5]])
    assert.deepEqual(affine('Sub floats[3,1,1]', 'swapped'), [
      [-1, -1, -1],
      [2, 4, 5],
    ])
    assert.deepEqual(affine('Div floats[3,1,1]'), [[0.5, 0.25, 0.2], zeros])
    assert.equal(affine('Div floats[3,1,1]', 'swapped'), undefined)
    assert.deepEqual(affine('Mul number(3)'), [[3, 3, 3], zeros])
    assert.equal(affine('Div number(0)'), undefined)
    assert.equal(affine('Mul floats[1,3]'), undefined, 'along another axis')
    assert.equal(affine('Mul floats[3,2,1]'), undefined, 'more than channels')
    assert.equal(affine('Mul floats[1,1,3,1,1]'), undefined, 'raises the rank')
    assert.equal(affine('Mul number(1e999)'), undefined)
    assert.equal(affine('Pow number(2)'), undefined)
  })
})

describe('the channel of each element', () => {
  const shapes: Shapes = new Map([
    ['x', float32([1, 2, 2, 1])],
    ['r', float32([1, 4])],
    ['t', float32([1, 2, 1, 2])],
    ['mixed', float32([2, 2])],
  ])
  const move = (step: string, to: string) => {
    const editor = new GraphEditor(tinyModel(`x[N,2,2,1] -> ${step} -> ${to} -> Relu -> y`))
    return moveChannels(editor, shapes, 'axis 1', editor.nodes()[0]!)
  }

  it('goes along through Flatten and Reshape, and with the axes of a Transpose', () => {
    assert.deepEqual(move('Flatten', 'r'), { dims: [1, 4], channels: Int32Array.of(0, 0, 1, 1) })
    assert.deepEqual(move('Reshape ints(1,4)', 'r'), { dims: [1, 4], channels: Int32Array.of(0, 0, 1, 1) })
    assert.deepEqual(move('Transpose perm=0,2,3,1', 't'), { dims: [1, 2, 1, 2], channels: Int32Array.of(0, 1, 0, 1) })
  })

  it('is not known where samples mix, or where a shape is computed or was never observed', () => {
    assert.equal(move('Reshape ints(2,2)', 'mixed'), 'is Reshape and mixes samples')
    assert.match(String(move('Flatten', 'never')), /is Flatten of a shape that was never observed/)
    assert.equal(move('Reshape =shape', 'r'), 'is Reshape to a computed shape')
  })

  it('is one for each feature when all rows agree', () => {
    const rows = { dims: [1, 2, 2], channels: Int32Array.of(0, 1, 0, 1) }
    assert.deepEqual(featureChannels(shapes, rows, 'r'), Int32Array.of(0, 1))
    assert.equal(featureChannels(shapes, { ...rows, channels: Int32Array.of(0, 1, 1, 1) }, 'r'), undefined)
    assert.equal(featureChannels(shapes, 'axis 1', 'never'), undefined)
    assert.deepEqual(featureChannels(shapes, 'axis 1', 'r'), Int32Array.of(0, 1, 2, 3))
  })
})

describe('a Clip with bounds of its own for each channel', () => {
  const clipped = async (low: readonly number[], high: readonly number[]) => {
    const model = tinyModel('x[N,3,2,2] -> Clip number(0) number(6) -> y')
    const editor = new GraphEditor(model)
    const bounds = { low: Float64Array.from(low), high: Float64Array.from(high) }
    boundChannels(editor, editor.nodes()[0]!, { ...bounds, axis: 1 }, (await contextOf(model)).shapes)
    const changed = editor.finish()
    const feeds = randomFeeds(model)
    const got = (await run(changed, feeds))['y']?.data as Float32Array
    const expected = Float32Array.from(feeds['x']?.data as Float32Array, (value, i) => {
      const c = Math.floor(i / 4) % 3
      return Math.min(high[c] ?? 0, Math.max(low[c] ?? 0, value))
    })
    assertNear(got, expected, 0)
    assert.equal(changed.graph.outputs[0]?.name, 'y')
    return changed.graph.nodes.map((node) => node.opType)
  }

  it('is a Clip while the bounds are equal, else Relu or Max, and Min', async () => {
    const none = [NO_BOUND, NO_BOUND, NO_BOUND]
    assert.deepEqual(await clipped([0, 0, 0], [0.5, 0.5, 0.5]), ['Clip'])
    assert.deepEqual(await clipped([0, 0, 0], [0.1, 0.2, 0.3]), ['Relu', 'Min'])
    assert.deepEqual(await clipped([-0.1, 0, -0.3], [0.1, 0.2, 0.3]), ['Max', 'Min'])
    assert.deepEqual(await clipped([-0.1, 0, -0.3], none), ['Max'])
  })
})

describe('what a padded convolution makes of a constant image', () => {
  for (const drawing of [
    'x[N,4,5,6] -> Conv 3x3 4->4 group=2 strides=2,1 dilations=1,2 pads=1,2,0,1 nobias -> y',
    'x[N,2,7] -> Conv 3 2->3 pads=2,1 nobias -> y',
  ])
    it(`is the map that is added: ${drawing}`, async () => {
      const model = tinyModel(drawing)
      const [layer] = layersOf(model)
      assert.ok(layer?.view && hasBorder(layer as ViewedLayer))
      const context = await contextOf(model)
      const channels = layer.view.groups * layer.view.inputsPerGroup
      const shift = Float64Array.from({ length: channels }, (_, c) => c + 1)
      const editor = new GraphEditor(model)
      const own = layersOf(editor.model)[0] as ViewedLayer
      addBorderMap(editor, own, shift, context.shapes)
      const feeds = randomFeeds(model)
      const dims = feeds['x']?.dims ?? []
      const inner = dims.slice(2).reduce((a, b) => a * b, 1)
      const shifted = Float32Array.from(
        feeds['x']?.data as Float32Array,
        (value, i) => value + (shift[Math.floor(i / inner) % channels] ?? 0),
      )
      const expected = await run(model, { x: { dtype: 'float32', dims, data: shifted } })
      const got = await run(editor.finish(), feeds)
      assertNear(got['y']?.data as Float32Array, expected['y']?.data as Float32Array, 1e-4)
    })

  it('is none without pads, or without a convolution', () => {
    const bordered = (drawing: string) => hasBorder(layersOf(tinyModel(drawing))[0] as ViewedLayer)
    assert.equal(bordered('x[N,2,5,5] -> Conv 3x3 2->2 -> y'), false)
    assert.equal(bordered('x[N,2] -> Gemm 2->2 -> y'), false)
  })
})

describe('applying rewrites', () => {
  const doubling = (name: string, factor: number, kind: Pass['kind'] = 'exact'): Pass => ({
    name,
    kind,
    summary: 'another factor',
    boundDb: 60,
    apply: (model, context) =>
      editModel(model, context, (editor, log) => {
        const [node] = editor.nodes('Mul')
        if (!node) return
        editor.setConstant(node, 1, Tensor.from('float32', [], [factor]))
        log.changes.push(`times ${factor}`)
      }),
  })
  const model = tinyModel('x[N,3] -> Mul number(2) -> y')

  it('keeps what gives the same, and takes back what does not, with the figure', async () => {
    const passes = [doubling('same', 2), doubling('wrong', 3), doubling('close', 2.0001)]
    const { model: after, applied } = await applyRewrites(
      await testRuntime(),
      { model, feeds: randomFeeds(model) },
      passes,
    )
    assert.deepEqual(
      applied.map(({ name, kept }) => [name, kept]),
      [
        ['same', true],
        ['wrong', false],
        ['close', true],
      ],
    )
    assert.match(applied[1]?.refused ?? '', /^6\.0 dB against the model before on this sample, at least 60 dB/)
    assert.equal(applied[0]?.sqnrDb, null)
    assertNear(after.graph.initializers.get(after.graph.nodes[0]?.inputs[1] ?? '')?.floats() ?? [], [2.0001], 1e-6)
    assert.equal(applied[1]?.changes.join(), 'times 3')
  })

  it('takes back what ONNX Runtime refuses, and says what it said', async () => {
    const broken: Pass = {
      ...doubling('broken', 2),
      apply: (given, context) =>
        editModel(given, context, (editor, log) => {
          const [node] = editor.nodes()
          editor.setConstant(node!, 1, Tensor.from('float32', [5], [1, 2, 3, 4, 5]))
          log.changes.push('another shape')
        }),
    }
    const { model: after, applied } = await applyRewrites(await testRuntime(), { model, feeds: randomFeeds(model) }, [
      broken,
    ])
    assert.equal(applied[0]?.kept, false)
    assert.ok((applied[0]?.refused ?? '').length > 10)
    assert.ok(after.graph.nodes.every((node) => isOp(node, 'Mul')))
  })

  it('stops when it is told to', async () => {
    const asked = applyRewrites(await testRuntime(), { model, feeds: randomFeeds(model) }, [doubling('same', 2)], {
      signal: AbortSignal.abort(),
    })
    await assert.rejects(asked, { name: 'CancelledError' })
  })
})
