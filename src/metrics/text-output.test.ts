import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { intAttr, type Model, makeModel, makeNode, Tensor } from '../onnx/index.ts'
import { textOutputOf } from './text-output.ts'

const weights = (...shape: number[]) =>
  Tensor.from('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)))
const WORDS = 50
const HIDDEN = 8

/** Tokens looked up, then what is given; the last node gives `y`. */
function model(
  nodes: Parameters<typeof makeNode>[0][],
  shape: (string | number)[],
  initializers: Record<string, Tensor> = {},
): Model {
  return makeModel({
    name: 'm',
    nodes: [makeNode({ opType: 'Gather', inputs: ['words', 'input_ids'], outputs: ['x'] }), ...nodes.map(makeNode)],
    inputs: ['input_ids', 'attention_mask'].map((name) => ({
      name,
      dtype: 'int64' as const,
      shape: ['batch', 'length'],
    })),
    outputs: [{ name: 'y', dtype: 'float32', shape }],
    initializers: { words: weights(WORDS, HIDDEN), ...initializers },
  })
}
const text = { output: 'y', tokens: 'input_ids', mask: 'attention_mask' }
const matMul = { opType: 'MatMul', inputs: ['x', 'w'], outputs: ['h'] }
const addBias = { opType: 'Add', inputs: ['b', 'h'], outputs: ['y'] }
const head = (width: number) => ({ w: weights(HIDDEN, width), b: weights(width) })

describe('textOutputOf', () => {
  it('finds embeddings of tokens and of texts, with the inputs that make them', () => {
    const square = model([matMul, addBias], ['batch', 'length', HIDDEN], head(HIDDEN))
    assert.deepEqual(textOutputOf(square), { kind: 'embedding', ...text })
    const pooled = model([{ opType: 'Tanh', inputs: ['x'], outputs: ['y'] }], ['batch', HIDDEN])
    assert.equal(textOutputOf(pooled)?.kind, 'embedding')
  })

  it('tells logits by the table of the tokens, and by a layer with a bias that narrows', () => {
    const plain = [matMul, { opType: 'Identity', inputs: ['h'], outputs: ['y'] }]
    assert.equal(textOutputOf(model(plain, ['batch', 'length', WORDS], head(WORDS)))?.kind, 'logits')
    assert.equal(textOutputOf(model([matMul, addBias], ['batch', 3], head(3)))?.kind, 'logits')
    // A projection without a bias has no classes.
    assert.equal(textOutputOf(model(plain, ['batch', 3], head(3)))?.kind, 'embedding')
  })

  it('takes probabilities and maps for what they are', () => {
    const softmax = model([{ opType: 'Softmax', inputs: ['x'], outputs: ['y'] }], ['batch', 'length', HIDDEN])
    assert.equal(textOutputOf(softmax), undefined)
    assert.equal(textOutputOf(model([matMul, addBias], ['batch', 1, 2, 3], head(HIDDEN))), undefined)
  })

  it('knows an encoder of pictures or sound by the normalisation that it ends with', () => {
    const encoder = (shape: (string | number)[], opType = 'LayerNormalization') =>
      makeModel({
        name: 'e',
        nodes: [makeNode({ opType, inputs: ['x', 'g'], outputs: ['y'], attributes: { axis: intAttr(-1) } })],
        inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 4, HIDDEN] }],
        outputs: [{ name: 'y', dtype: 'float32', shape }],
        initializers: { g: weights(HIDDEN) },
      })
    assert.deepEqual(textOutputOf(encoder(['batch', 4, HIDDEN])), { kind: 'embedding', output: 'y' })
    assert.equal(textOutputOf(encoder(['batch', HIDDEN])), undefined)
    assert.equal(textOutputOf(encoder(['batch', 4, HIDDEN], 'Mul')), undefined)
  })
})
