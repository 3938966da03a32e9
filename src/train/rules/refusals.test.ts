// Rules say what they cannot take back, before anything is trained: a gradient that is silently wrong would be worse.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { GraphEditor, intAttr, stringAttr, Tensor } from '../../onnx/index.ts'
import { addGradients } from '../graph/backward.ts'
import { Emitter, type Known } from '../graph/emitter.ts'
import { gradientRuleOf } from './index.ts'

type Shapes = Readonly<Record<string, readonly number[]>>

/** Builds the gradient of y at x; nothing is run. Values are float32 of these shapes, `integers` int64. */
function gradientOf(editor: GraphEditor, shapes: Shapes, integers: readonly string[] = []): string {
  const known = new Map(
    Object.entries(shapes).map(([name, dims]): [string, Known] => [
      name,
      { dims, dtype: integers.includes(name) ? 'int64' : 'float32' },
    ]),
  )
  const g = new Emitter(editor, known)
  const seeds = new Map([['y', g.filled(g.dims('y'), 1)]])
  const found = addGradients(g, { seeds, wanted: ['x'], rules: gradientRuleOf })
  return found.get('x') ?? ''
}

const drawn = (drawing: string) => new GraphEditor(tinyModel(drawing, { opset: 18 }))

function refused(editor: GraphEditor, shapes: Shapes, message: RegExp, integers: readonly string[] = []): void {
  assert.throws(() => gradientOf(editor, shapes, integers), { name: 'UnsupportedError', message })
}

const map = { x: [1, 2, 4, 4], y: [1, 2, 7, 6] }
const rows = { x: [2, 6], y: [2, 6] }

describe('no gradient goes through', () => {
  it('a Resize by other means than nearest and linear', () => {
    const resize = (words: string) => drawn(`x[1,2,4,4] -> Resize = = ints(1,2,7,6) ${words} -> y`)
    const tail = /has no gradient rule; nearest and linear have$/
    refused(resize('mode=cubic'), map, /^cannot train through node "Resize_y": Resize by cubic has/)
    refused(resize('mode=linear antialias=1'), map, /Resize by linear with antialias has/)
    const crop = resize('mode=linear coordinate_transformation_mode=tf_crop_and_resize')
    refused(crop, map, /Resize by tf_crop_and_resize has/)
    refused(resize('mode=cubic'), map, tail)
    assert.notEqual(gradientOf(resize('mode=linear'), map), '')
  })

  it('an AveragePool whose windows are dilated or hang over the end', () => {
    const shapes = { x: [1, 2, 8, 8], y: [1, 2, 4, 4] }
    for (const words of ['ceil_mode=1', 'dilations=2,2'])
      refused(
        drawn(`x[1,2,8,8] -> AveragePool 2x2 strides=2,2 ${words} -> y`),
        shapes,
        /node "AveragePool_y": an AveragePool with ceil_mode or dilations has no gradient rule/,
      )
  })

  it('a convolution that pads by itself', () => {
    const editor = drawn('x[1,2,8,8] -> Conv 3x3 2->4 auto_pad=SAME_UPPER -> y')
    refused(editor, { x: [1, 2, 8, 8], y: [1, 4, 8, 8] }, /node "Conv_y" \(Conv\): its padding is automatic/)
    const transposed = drawn('x[1,2,4,4] -> ConvTranspose 2x2 2->4 strides=2,2 output_shape=8,8 -> y')
    refused(transposed, { x: [1, 2, 4, 4], y: [1, 4, 8, 8] }, /\(ConvTranspose\): its padding is automatic/)
  })

  it('what is cut, padded, repeated or summed by numbers that the graph computes', () => {
    const computed = 'x -> Shape -> n'
    const shapes = { ...rows, n: [2] }
    for (const [drawing, message] of [
      ['x -> Slice =n ints(9,9) -> y', /"Slice_y" \(Slice\): its starts are not constants/],
      ['x -> Pad =n -> y', /"Pad_y" \(Pad\): its pads are not constants/],
      ['x -> Tile =n -> y', /"Tile_y" \(Tile\): its repeats are not constants/],
      ['x -> ReduceSum =n -> y', /through node "ReduceSum_y": its axes are not constants/],
    ] as const)
      refused(drawn(`x[2,6] -> Relu -> unread; ${computed}; ${drawing}`), { ...shapes, unread: [2, 6] }, message, ['n'])
  })

  it('a Dropout in training mode whose ratio is not known', () => {
    const editor = drawn('x[2,6] -> ReduceMean keepdims=0 -> r; x -> Dropout =r =on -> y')
    editor.graph.initializers.set('on', Tensor.from('bool', [], [1]))
    refused(editor, { ...rows, r: [] }, /\(Dropout\): its ratio is not a constant/)
  })

  it('an Einsum with an ellipsis or a diagonal', () => {
    for (const equation of ['...a->...a', 'aa->a']) {
      const editor = drawn('x[6,6] -> Einsum -> y')
      editor.nodes('Einsum')[0]?.attributes.set('equation', stringAttr(equation))
      const y = equation.startsWith('a') ? [6] : [6, 6]
      refused(editor, { x: [6, 6], y }, /\(Einsum\): ".*" has an ellipsis or a diagonal/)
    }
  })

  it('a cross entropy with class weights or an index that counts nothing', () => {
    const entropy = (extra: string) => drawn(`x[2,6] -> SoftmaxCrossEntropyLoss =labels${extra} -> y`)
    const shapes = { x: [2, 6], labels: [2], y: [] }
    const message = /class weights, ignore_index and a second output .*; write the loss with LogSoftmax/
    refused(entropy(' floats[6]'), shapes, message, ['labels'])
    const ignoring = entropy('')
    ignoring.nodes('SoftmaxCrossEntropyLoss')[0]?.attributes.set('ignore_index', intAttr(0))
    refused(ignoring, shapes, message, ['labels'])
    refused(drawn('x[2,6] -> SoftmaxCrossEntropyLoss =labels and:log -> y'), { ...shapes, log: [2, 6] }, message, [
      'labels',
    ])
    assert.notEqual(gradientOf(entropy(''), shapes, ['labels']), '')
  })
})
