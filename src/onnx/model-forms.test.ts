// Forms that models come in: what is brought into one form when a file is read, and what is refused in a sentence.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { InputError, UnsupportedError } from '../base/index.ts'
import { makeNode } from './edit.ts'
import { extractModel } from './extract.ts'
import { type ModelProto, ModelProtoSchema, SparseTensorProtoSchema, TensorProtoSchema } from './generated/onnx_pb.ts'
import { makeModel } from './make-model.ts'
import type { Model } from './model.ts'
import { printModel } from './print.ts'
import { readModel } from './read.ts'
import { Tensor } from './tensor.ts'
import { writeModel } from './write.ts'

const x = { name: 'x', dtype: 'float32', shape: ['N', 2] } as const
const y = { name: 'y', dtype: 'float32', shape: ['N', 2] } as const
const add = makeNode({ opType: 'Add', name: 'add', inputs: ['x', 'w'], outputs: ['y'] })
const sum = makeModel({
  name: 'sum',
  inputs: [x],
  outputs: [y],
  nodes: [add],
  initializers: { w: Tensor.from('float32', [2], [1, 2]) },
})

/** The model as a file whose message was changed: forms that our own writer does not make. */
function filed(model: Model, change: (proto: ModelProto) => void): Uint8Array {
  const proto = fromBinary(ModelProtoSchema, writeModel(model))
  change(proto)
  return toBinary(ModelProtoSchema, proto)
}

describe('the form of a model that was read', () => {
  it('has one name for the domain of ONNX, in nodes, imports and what is written', () => {
    const read = readModel(
      filed(sum, (proto) => {
        for (const node of proto.graph?.node ?? []) node.domain = 'ai.onnx'
        for (const entry of proto.opsetImport) entry.domain = 'ai.onnx'
      }),
    )
    assert.equal(read.graph.nodes[0]?.domain, '')
    assert.deepEqual([...read.opsets], [['', 13]])
    const again = fromBinary(ModelProtoSchema, writeModel(read))
    assert.deepEqual(
      [...(again.graph?.node ?? []), ...again.opsetImport].map(({ domain }) => domain),
      ['', ''],
    )
  })

  it('takes a dimension below 0 for a free one', () => {
    const free = { ...x, shape: [-1, 2] }
    const read = readModel(writeModel({ ...sum, graph: { ...sum.graph, inputs: [free] } }))
    assert.deepEqual(read.graph.inputs[0]?.shape, [null, 2])
  })

  it('takes the last of several initialisers of a name, as ONNX Runtime does, and says so', () => {
    const read = readModel(
      filed(sum, ({ graph }) => {
        const [first] = graph?.initializer ?? []
        if (first) graph?.initializer.push({ ...first, rawData: new Uint8Array(Float32Array.of(3, 4).buffer) })
      }),
    )
    assert.deepEqual(read.graph.initializers.get('w')?.numbers(), [3, 4])
    assert.match(read.notes.join(), /several initialisers "w"; the last one counts/)
  })

  for (const [what, dims, indices] of [
    ['positions', [2], [1, 2]],
    ['coordinates', [2, 2], [0, 1, 1, 0]],
  ] as const)
    it(`writes out a sparse initialiser given by ${what}`, () => {
      const tensor = (name: string, dataType: number, size: readonly number[], data: ArrayBufferView) =>
        create(TensorProtoSchema, {
          name,
          dataType,
          dims: size.map(BigInt),
          rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
        })
      const read = readModel(
        filed(sum, ({ graph }) => {
          graph?.initializer.splice(0)
          graph?.sparseInitializer.push(
            create(SparseTensorProtoSchema, {
              dims: [2n, 2n],
              values: tensor('w', 1, [2], Float32Array.of(5, 6)),
              indices: tensor('', 7, dims, BigInt64Array.from(indices, BigInt)),
            }),
          )
        }),
      )
      assert.deepEqual(read.graph.initializers.get('w')?.shape, [2, 2])
      assert.deepEqual(read.graph.initializers.get('w')?.numbers(), [0, 5, 6, 0])
      assert.match(read.notes.join(), /sparse initialisers were written out/)
      const again = fromBinary(ModelProtoSchema, writeModel(read)).graph
      assert.deepEqual([again?.sparseInitializer.length, again?.initializer.length], [0, 1])
    })

  it('has nodes in order, and refuses a circle', () => {
    const first = makeNode({ opType: 'Neg', inputs: ['x'], outputs: ['a'] })
    const second = makeNode({ opType: 'Relu', inputs: ['a'], outputs: ['y'] })
    const nodes = (...list: (typeof first)[]) => writeModel({ ...sum, graph: { ...sum.graph, nodes: list } })
    const read = readModel(nodes(second, first))
    assert.deepEqual(
      read.graph.nodes.map(({ opType }) => opType),
      ['Neg', 'Relu'],
    )
    assert.match(read.notes.join(), /put in order/)
    assert.deepEqual(readModel(nodes(first, second)).notes, [])
    const back = makeNode({ opType: 'Neg', name: 'back', inputs: ['y'], outputs: ['a'] })
    assert.throws(() => readModel(nodes(second, back)), InputError)
  })

  it('takes the initialisers of a model that lists all of many as inputs for constants', () => {
    const names = Array.from({ length: 8 }, (_, index) => `w${index}`)
    const listed = names.map((name) => ({ name, dtype: 'float32', shape: [2] }) as const)
    const initializers = new Map(names.map((name) => [name, Tensor.from('float32', [2], [1, 2])]))
    const nodes = [makeNode({ opType: 'Sum', inputs: ['x', ...names], outputs: ['y'] })]
    const model = { ...sum, irVersion: 8, graph: { ...sum.graph, nodes, initializers, inputs: [x, ...listed] } }
    const read = readModel(writeModel(model))
    assert.deepEqual([...read.graph.initializers.keys()], names)
    assert.equal(read.graph.overridable, undefined)
    assert.match(read.notes.join(), /all 8 initialisers are also listed as inputs/)
    const some = readModel(writeModel({ ...model, graph: { ...model.graph, inputs: [x, ...listed.slice(1)] } }))
    assert.equal(some.graph.overridable?.size, 7)
  })

  it('keeps an initialiser that is an input, from IR 4 on, an input with a default; before it is a constant', () => {
    const w = { name: 'w', dtype: 'float32', shape: [2] } as const
    const both = (irVersion: number) =>
      readModel(writeModel({ ...sum, irVersion, graph: { ...sum.graph, inputs: [x, w] } }))
    const kept = both(8)
    assert.deepEqual(
      kept.graph.inputs.map(({ name }) => name),
      ['x'],
    )
    assert.deepEqual([...kept.graph.initializers.keys()], [])
    assert.deepEqual(kept.graph.overridable?.get('w')?.value.numbers(), [1, 2])
    assert.match(kept.notes.join(), /"w": inputs with a default, which may be fed/)
    assert.match(printModel(kept), /input w float32\[2\] with a default/)
    const written = fromBinary(ModelProtoSchema, writeModel(kept)).graph
    assert.deepEqual(
      written?.input.map(({ name }) => name),
      ['x', 'w'],
    )
    assert.deepEqual(
      written?.initializer.map(({ name }) => name),
      ['w'],
    )
    const part = extractModel(kept, [y])
    assert.equal(part.graph.overridable?.has('w'), true)
    const constant = both(3)
    assert.deepEqual([...constant.graph.initializers.keys()], ['w'])
    assert.equal(constant.irVersion, 4)
  })

  for (const depth of [40, 1000, 100_000])
    it(`refuses ${depth} sub-graphs inside each other in a sentence`, () => {
      assert.throws(
        () => readModel(nested(depth), { file: 'deep.onnx' }),
        (error) => error instanceof UnsupportedError && /^cannot read deep.onnx: its sub-graphs/.test(error.message),
      )
    })
})

/** A model of attributes in nodes in graphs, from the inside out by hand: an encoder would run out of stack. */
function nested(depth: number): Uint8Array {
  const heads: Uint8Array[] = []
  let length = 0
  const wrap = (field: number) => {
    const head = [field * 8 + 2]
    for (let rest = length; ; rest = Math.floor(rest / 128)) {
      head.push(rest >= 128 ? (rest % 128) + 128 : rest)
      if (rest < 128) break
    }
    heads.push(Uint8Array.from(head))
    length += head.length
  }
  for (let i = 0; i < depth; i++) for (const field of [6, 5, 1]) wrap(field)
  wrap(7)
  return new Uint8Array(Buffer.concat(heads.reverse()))
}
