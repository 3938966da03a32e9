// Bytes of an ONNX file → Model. With write.ts the only place that knows protobuf.
import { fromBinary } from '@bufbuild/protobuf'
import { InputError, messageOf, sizeOf, UnsupportedError } from '../base/index.ts'
import { denseTensor } from './dense.ts'
import { byteLengthOf, dtypeOf } from './dtype.ts'
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type FunctionProto,
  type GraphProto,
  ModelProtoSchema,
  type NodeProto,
  type OperatorSetIdProto,
  type SparseTensorProto,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from './generated/onnx_pb.ts'
import type { Attribute, Graph, LocalFunction, Model, Node } from './model.ts'
import { nameOutputs } from './name-outputs.ts'
import { inputsWithDefaults } from './overridable.ts'
import { packFloats } from './pack-floats.ts'
import { inlineBytes } from './read-bytes.ts'
import { attributeType, valueInfo } from './read-types.ts'
import { isSorted, sortNodes } from './sort.ts'
import { type StoredBytes, Tensor } from './tensor.ts'

/** Where a tensor's bytes lie when they are not in the model file. */
export interface ExternalData {
  readonly location: string
  readonly offset: number
  readonly length: number | undefined
}

export interface ReadOptions {
  /** Name of the file, for messages. */
  readonly file?: string
  /** Finds the bytes of external data. Without it a model with external data is refused. */
  readonly external?: (
    data: ExternalData,
    tensor: string,
    expectedBytes: number | undefined,
  ) => Uint8Array | StoredBytes
  /** Finds the tensors that were cut out of the bytes, by what stands there instead. */
  readonly cut?: (mark: Uint8Array, tensor: string) => StoredBytes | undefined
}

/** Messages inside messages, the limit of protobuf that ONNX Runtime keeps to as well: about 31 sub-graphs inside each other. */
const DEEPEST = 100

/**
 * Decodes an ONNX model. Tensor data is not copied: the tensors are views of `bytes`.
 * Unknown fields, functions, metadata and unknown element types are kept and written back by `writeModel`.
 * What is brought into one form: the domain "ai.onnx" is "", dimensions below 0 are free, nodes are in order, sparse initialisers
 * are written out, the last of several initialisers of a name counts (as in ONNX Runtime).
 * IR 3 files list their initialisers as inputs as well; those inputs are dropped. From IR 4 on they are `overridable`, unless
 * all of many are listed.
 * @throws InputError when the bytes are not an ONNX model or a tensor's data does not fit its shape
 */
export function readModel(bytes: Uint8Array, options: ReadOptions = {}): Model {
  try {
    return readPacked(bytes, options)
  } catch (error) {
    // A few writers do not pack floats. That is found out only here, so that all other files are read without a copy.
    const packed = error instanceof InputError ? packFloats(bytes) : undefined
    if (!packed) throw error
    return readPacked(packed, options)
  }
}

/**
 * Decodes a tensor of a file of its own (`input_0.pb` beside a test's model).
 * @throws InputError when the bytes are not a tensor, or its data does not fit its shape
 */
export function readTensor(bytes: Uint8Array, file = 'the tensor'): Tensor {
  let proto: TensorProto
  try {
    proto = fromBinary(TensorProtoSchema, bytes)
  } catch (error) {
    throw new InputError(`cannot read ${file}: it is not a tensor, or it is damaged (${messageOf(error)})`, { file })
  }
  return new Reader({}, file).tensor(proto)
}

function readPacked(bytes: Uint8Array, options: ReadOptions): Model {
  const file = options.file ?? 'the model'
  const fail = (what: string) =>
    new InputError(`cannot read ${file}: ${what}`, options.file ? { file: options.file } : {})
  if (bytes.byteLength === 0) throw fail('the file is empty')
  const proto = decode(bytes, fail)
  if (!proto.graph || (proto.opsetImport.length === 0 && proto.graph.node.length === 0))
    throw fail('it is not an ONNX model (no graph inside)')

  const reader = new Reader(options, file)
  const graph = reader.graph(proto.graph)
  nameOutputs(graph)
  const functions = proto.functions.map((each) => reader.function(each))
  const notes = [...reader.notes]
  const fed = inputsWithDefaults(graph, Number(proto.irVersion), notes)
  return {
    irVersion: fed.irVersion,
    opsets: opsetsOf(proto.opsetImport),
    producer: proto.producerName,
    metadata: new Map(proto.metadataProps.map((entry) => [entry.key, entry.value])),
    graph: fed.graph,
    ...(functions.length > 0 ? { functions } : {}),
    notes,
    raw: proto,
  }
}

const canonical = (domain: string) => (domain === 'ai.onnx' ? '' : domain)

function opsetsOf(imports: readonly OperatorSetIdProto[]): Map<string, number> {
  return new Map(imports.map((entry) => [canonical(entry.domain), Number(entry.version)]))
}

function decode(bytes: Uint8Array, fail: (what: string) => InputError) {
  try {
    return fromBinary(ModelProtoSchema, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
      recursionLimit: DEEPEST,
    })
  } catch (error) {
    if (/recursion depth/.test(messageOf(error)))
      throw new UnsupportedError(
        fail(
          'its sub-graphs lie inside each other deeper than ONNX Runtime reads; export it with fewer nested branches',
        ).message,
      )
    throw fail(`it is not an ONNX model, or it is damaged (${messageOf(error)}, ${bytes.byteLength} bytes)`)
  }
}

class Reader {
  readonly #options: ReadOptions
  readonly #file: string
  readonly #notes = new Set<string>()

  constructor(options: ReadOptions, file: string) {
    this.#options = options
    this.#file = file
  }

  /** What was brought into one form, a sentence each. */
  get notes(): string[] {
    return [...this.#notes]
  }

  graph(proto: GraphProto): Graph {
    const initializers = new Map<string, Tensor>()
    const add = (name: string, tensor: Tensor) => {
      if (initializers.has(name))
        this.#notes.add(`there are several initialisers "${name}"; the last one counts, as in ONNX Runtime`)
      initializers.set(name, tensor)
    }
    for (const tensor of proto.initializer) add(tensor.name, this.tensor(tensor))
    for (const tensor of proto.sparseInitializer) add(tensor.values?.name ?? '', this.dense(tensor))
    return {
      name: proto.name,
      nodes: this.nodes(proto.node),
      initializers,
      inputs: proto.input.map(valueInfo),
      outputs: proto.output.map(valueInfo),
      valueInfo: new Map(proto.valueInfo.map((info) => [info.name, valueInfo(info)])),
      raw: proto,
    }
  }

  function(proto: FunctionProto): LocalFunction {
    return {
      domain: canonical(proto.domain),
      name: proto.name,
      overload: proto.overload,
      inputs: proto.input,
      outputs: proto.output,
      attributes: new Map<string, Attribute | undefined>([
        ...proto.attribute.map((name) => [name, undefined] as const),
        ...proto.attributeProto.map((each) => [each.name, this.attribute(each)] as const),
      ]),
      nodes: this.nodes(proto.node),
      valueInfo: new Map(proto.valueInfo.map((info) => [info.name, valueInfo(info)])),
      opsets: opsetsOf(proto.opsetImport),
      raw: proto,
    }
  }

  /** ONNX Runtime takes nodes in any order; what computes with them here wants producers first. */
  nodes(protos: readonly NodeProto[]): Node[] {
    const nodes = protos.map((node) => this.node(node))
    if (isSorted(nodes)) return nodes
    this.#notes.add('nodes stood before the ones they read from; they were put in order')
    try {
      return sortNodes(nodes)
    } catch (error) {
      throw new InputError(`cannot read ${this.#file}: ${messageOf(error)}`, { file: this.#file }, error)
    }
  }

  node(proto: NodeProto): Node {
    return {
      name: proto.name,
      opType: proto.opType,
      domain: canonical(proto.domain),
      inputs: [...proto.input],
      outputs: [...proto.output],
      attributes: new Map(proto.attribute.map((attribute) => [attribute.name, this.attribute(attribute)])),
      ...(proto.overload === '' ? {} : { overload: proto.overload }),
      raw: proto,
    }
  }

  attribute(raw: AttributeProto): Attribute {
    if (raw.refAttrName !== '') return { type: 'other', raw, reference: raw.refAttrName }
    switch (attributeType(raw)) {
      case AttributeType.INT:
        return { type: 'int', value: raw.i, raw }
      case AttributeType.FLOAT:
        return { type: 'float', value: raw.f, raw }
      case AttributeType.STRING:
        return { type: 'string', value: text(raw.s), raw }
      case AttributeType.INTS:
        return { type: 'ints', value: raw.ints, raw }
      case AttributeType.FLOATS:
        return { type: 'floats', value: raw.floats, raw }
      case AttributeType.STRINGS:
        return { type: 'strings', value: raw.strings.map(text), raw }
      case AttributeType.TENSOR:
        return raw.t ? { type: 'tensor', value: this.tensor(raw.t), raw } : { type: 'other', raw }
      case AttributeType.GRAPH:
        return raw.g ? { type: 'graph', value: this.graph(raw.g), raw } : { type: 'other', raw }
      case AttributeType.GRAPHS:
        return { type: 'graphs', value: raw.graphs.map((graph) => this.graph(graph)), raw }
      default:
        return { type: 'other', raw }
    }
  }

  dense({ values, indices, dims }: SparseTensorProto): Tensor {
    const name = values?.name ?? ''
    if (!values || !indices) throw this.fail(name, 'is sparse and has no values or no indices')
    this.#notes.add('sparse initialisers were written out in full, as ONNX Runtime does when it loads them')
    const parts = [this.tensor(values), this.tensor(indices)] as const
    try {
      return denseTensor(dims.map(Number), ...parts)
    } catch (error) {
      throw this.fail(name, messageOf(error))
    }
  }

  tensor(raw: TensorProto): Tensor {
    const dtype = dtypeOf(raw.dataType)
    const shape = raw.dims.map(Number)
    if (dtype === 'string') return new Tensor(dtype, shape, new Uint8Array(0), { strings: raw.stringData, raw })
    const expected = byteLengthOf(dtype, sizeOf(shape))
    const external = raw.dataLocation === TensorProto_DataLocation.EXTERNAL
    const bytes = external
      ? this.external(raw, expected)
      : (this.#options.cut?.(raw.rawData, raw.name) ?? inlineBytes(raw, dtype))
    if (expected !== undefined && bytes.byteLength !== expected) {
      const hint = external ? '; is it the right data file?' : '; is the file damaged?'
      throw this.fail(
        raw.name,
        `has ${bytes.byteLength} bytes of data, its shape [${shape}] of ${dtype} needs ${expected}${hint}`,
      )
    }
    return new Tensor(dtype, shape, bytes, { raw })
  }

  external(raw: TensorProto, expected: number | undefined): Uint8Array | StoredBytes {
    const entries = new Map(raw.externalData.map((entry) => [entry.key, entry.value]))
    const location = entries.get('location')
    if (!location) throw this.fail(raw.name, 'has external data without a location')
    if (!this.#options.external)
      throw this.fail(
        raw.name,
        `lies in "${location}", but no folder was given; open the model by its path instead of its bytes`,
      )
    const length = entries.get('length')
    const data = {
      location,
      offset: Number(entries.get('offset') ?? 0),
      length: length === undefined ? undefined : Number(length),
    }
    return this.#options.external(data, raw.name, expected)
  }

  fail(tensor: string, what: string): InputError {
    return new InputError(`cannot read ${this.#file}: tensor "${tensor}" ${what}`, { file: this.#file, tensor })
  }
}

const decoder = new TextDecoder()

function text(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}
