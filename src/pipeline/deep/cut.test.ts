import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { blockProduct, byteConvolution, floatsAround } from '../../../test/support/byte-layers.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { makeNode } from '../../onnx/index.ts'
import { type Values, withSession } from '../../runtime/index.ts'
import { cutModel, feedsOfPieces, nameOfPiece, opsOfPiece, piecesOf, watchedModel } from './cut.ts'

const runtime = await testRuntime()

describe('the pieces of a model', () => {
  it('end behind each grid, and are called by their layers', () => {
    const pieces = piecesOf(floatsAround(byteConvolution({ most: 60 })))
    assert.deepEqual(
      pieces.map((piece) => [piece.value, nameOfPiece(piece), opsOfPiece(piece), piece.isOutput]),
      [
        ['x', 'x', '', false],
        ['y', 'conv', 'Conv', false],
        ['result', 'result', '', true],
      ],
    )
  })

  it('end behind operators that compute with integer weights; a float model is one', () => {
    const [product, ...others] = piecesOf(blockProduct(4))
    assert.deepEqual([product && nameOfPiece(product), others.length], ['y', 0])
    const float = piecesOf(tinyModel('x[N,8] -> Gemm 8->4 -> Relu -> y'))
    assert.deepEqual([float.length, float[0]?.isOutput], [1, true])
  })

  it('end where floats go two ways behind a sum, and not in front of a grid', () => {
    const drawing = 'x[N,8] -> MatMul 8->8 -> Add =x -> sum -> MatMul 8->8 -> Add =sum -> y'
    const ends = piecesOf(tinyModel(drawing)).map(({ value, layers }) => [value, layers.length])
    assert.deepEqual(ends, [
      ['sum', 1],
      ['y', 1],
    ])
    const model = tinyModel(drawing)
    const nodes = model.graph.nodes.flatMap((node) =>
      node.outputs[0] === 'sum'
        ? [node, makeNode({ opType: 'QuantizeLinear', inputs: ['sum', 'scale'], outputs: ['q'] })]
        : [node],
    )
    const quantized = piecesOf({ ...model, graph: { ...model.graph, nodes } })
    assert.deepEqual(
      quantized.map(({ value }) => value),
      ['q', 'y'],
    )
  })

  it('make of what they are fed what the whole model makes', async () => {
    const model = floatsAround(byteConvolution({ most: 60 }))
    const pieces = piecesOf(model)
    const floats = Float32Array.from({ length: 16 * 36 }, (_, i) => Math.sin(i))
    const inputs: Values = { floats: { dtype: 'float32', dims: [1, 16, 6, 6], data: floats } }
    const simulate = { simulate: true }
    const known = await withSession(runtime, watchedModel(model, pieces), simulate, (session) => session.run(inputs))
    assert.deepEqual(Object.keys(known).sort(), ['result', 'x', 'y'])
    const cut = cutModel(model, pieces, known)
    assert.deepEqual(
      cut.graph.inputs.map(({ name, dtype }) => `${name} ${dtype}`),
      ['floats float32', 'x/known float32', 'y/known float32'],
    )
    const again = await withSession(runtime, cut, simulate, (session) =>
      session.run(feedsOfPieces(model, pieces, inputs, known)),
    )
    for (const { value } of pieces) assert.deepEqual(again[value]?.data, known[value]?.data)
    // A piece goes by what it is fed, not by what the piece before it gave.
    const zeros: Values = {
      ...known,
      x: { dtype: 'uint8', dims: [1, 16, 6, 6], data: new Uint8Array(16 * 36).fill(10) },
    }
    const other = await withSession(runtime, cut, simulate, (session) =>
      session.run(feedsOfPieces(model, pieces, inputs, zeros)),
    )
    assert.deepEqual(other['x']?.data, known['x']?.data)
    assert.ok((other['y']?.data as Uint8Array).every((code) => code === 0))
  })
})
