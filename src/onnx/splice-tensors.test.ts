import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { ModelProtoSchema } from './generated/onnx_pb.ts'
import { GraphEditor, type Model, makeModel, readModel } from './index.ts'
import { Tensor } from './tensor.ts'
import { writeModel } from './write.ts'

/** What the encoder alone makes of a written model. */
function encoded(model: Model): Uint8Array {
  return toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, writeModel(model)))
}

const ramp = (length: number) => Float32Array.from({ length }, (_, i) => i / 7)

describe('writing large tensors', () => {
  it('gives the bytes that the encoder gives, for initialisers, attributes and sub-graphs', () => {
    const inner = new GraphEditor(makeModel({ name: 'inner', inputs: [], outputs: [{ name: 'b', dtype: 'float32' }] }))
    inner.addNode({
      opType: 'Constant',
      inputs: [],
      outputs: ['b'],
      attributes: { value: { type: 'tensor', value: Tensor.from('float32', [30000], ramp(30000)) } },
    })
    const branch = { type: 'graph' as const, value: inner.finish().graph }
    const editor = new GraphEditor(
      makeModel({ name: 'g', inputs: [{ name: 'c', dtype: 'bool', shape: [] }], outputs: [] }),
    )
    editor.addTensor('w', Tensor.from('float32', [200, 100], ramp(20000)))
    editor.addNode({
      opType: 'If',
      inputs: ['c'],
      outputs: ['a'],
      attributes: { then_branch: branch, else_branch: branch },
    })
    editor.addNode({ opType: 'Mul', inputs: ['a', 'a'], outputs: ['y'] })
    editor.graph.outputs.push({ name: 'y', dtype: 'float32' })
    const model = editor.finish()
    assert.deepEqual(writeModel(model), encoded(model))
    const back = readModel(writeModel(model))
    assert.deepEqual(writeModel(back), writeModel(model))
  })

  it('writes a tensor whose bytes look like a mark as it is', () => {
    const model = tinyModel('x[1,4] -> Gemm 4->3 -> y')
    const bytes = new TextEncoder().encode('onnxpress tensor\0\0\0\0')
    model.graph.initializers.set('odd', new Tensor('uint8', [bytes.length], bytes))
    assert.deepEqual(readModel(writeModel(model)).graph.initializers.get('odd')?.bytes, bytes)
  })
})
