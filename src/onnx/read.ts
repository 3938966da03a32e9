// Bytes of an ONNX file → Model. With write.ts the only place that knows protobuf.
import { fromBinary } from '@bufbuild/protobuf'
import { InputError, messageOf, sizeOf, UnsupportedError } from '../base/index.ts'
import { denseTensor } from './dense.ts'
import { byteLengthOf, type DType, dtypeOf } from './dtype.ts'
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
  type TypeProto,
  type ValueInfoProto,
} from './generated/onnx_pb.ts'
import type { Attribute, Dim, Graph, LocalFunction, Model, Node, Overridable, ValueInfo } from './model.ts'
import { nameOutputs } from './name-outputs.ts'
import { packFloats } from './pack-floats.ts'
import { isSorted, sortNodes } from './sort.ts'
import { Tensor } from './tensor.ts'
import { type ValueType, wrapped } from './value-type.ts'

/** Where a tensor's bytes lie when they are not in the model file. */
export interface ExternalData {
  readonly location: string
  readonly offset: number
  readonly length: number | undefined
}

export interface ReadOptions {
  /** Name of the file, for messages. */
  readonly file?: string
  /** Fetches the bytes of external data. Without it a model with external data is refused. */
  readonly external?: (data: ExternalData, tensor: string, expectedBytes: number | undefined) => Uint8Array
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
 * @throws InputError when the bytes are no ONNX model or a tensor's data does not fit its shape
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
 * @throws InputError when the bytes are no tensor, or its data does not fit its shape
 */
export function readTensor(bytes: Uint8Array, file = 'the tensor'): Tensor {
  let proto: TensorProto
  try {
    proto = fromBinary(TensorProtoSchema, bytes)
  } catch (error) {
    throw new InputError(`cannot read ${file}: it is no tensor, or it is damaged (${messageOf(error)})`, { file })
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
  const fed = withoutDefaults(graph, Number(proto.irVersion), notes)
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

/** A model of this many initialisers that lists all of them as inputs follows an exporter's habit: nobody means to feed every weight. */
const HABIT = 8

/**
 * Takes initialisers that are inputs too out of both: before IR 4 they are constants, since then they are defaults. So it is not
 * where all of them are listed, as older exporters do at any IR.
 */
function withoutDefaults(graph: Graph, irVersion: number, notes: string[]): { graph: Graph; irVersion: number } {
  const both = graph.inputs.filter((input) => graph.initializers.has(input.name))
  if (both.length === 0) return { graph, irVersion }
  const inputs = graph.inputs.filter((input) => !graph.initializers.has(input.name))
  if (irVersion < 4) {
    notes.push(`${both.length} initialisers were also listed as inputs, as IR ${irVersion} asks; they are constants`)
    return { graph: { ...graph, inputs }, irVersion: 4 }
  }
  if (both.length === graph.initializers.size && both.length >= HABIT) {
    notes.push(
      `all ${both.length} initialisers are also listed as inputs, a habit of older exporters; they are taken for constants and can no longer be fed`,
    )
    return { graph: { ...graph, inputs }, irVersion }
  }
  const overridable = new Map<string, Overridable>()
  for (const info of both) {
    const value = graph.initializers.get(info.name)
    if (value) overridable.set(info.name, { info, value })
    graph.initializers.delete(info.name)
  }
  const names = both.slice(0, 3).map(({ name }) => `"${name}"`)
  notes.push(
    `${names.join(', ')}${both.length > 3 ? ` and ${both.length - 3} more` : ''}: inputs with a default, which may be fed, so that layers with such a weight stay as they are; if nobody feeds them, make them constants first (rewrite --passes freeze-inputs)`,
  )
  return { graph: { ...graph, inputs, overridable }, irVersion }
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
    const bytes = external ? this.external(raw, expected) : inlineBytes(raw, dtype)
    if (expected !== undefined && bytes.byteLength !== expected) {
      const hint = external ? '; is it the right data file?' : '; is the file damaged?'
      throw this.fail(
        raw.name,
        `has ${bytes.byteLength} bytes of data, its shape [${shape}] of ${dtype} needs ${expected}${hint}`,
      )
    }
    return new Tensor(dtype, shape, bytes, { raw })
  }

  external(raw: TensorProto, expected: number | undefined): Uint8Array {
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

/** Files of before IR 3 leave the type out: it follows from the field that is set. */
function attributeType(raw: AttributeProto): number {
  if (raw.type !== AttributeType.UNDEFINED) return raw.type
  if (Object.hasOwn(raw, 'i')) return AttributeType.INT
  if (Object.hasOwn(raw, 'f')) return AttributeType.FLOAT
  if (Object.hasOwn(raw, 's')) return AttributeType.STRING
  if (raw.t) return AttributeType.TENSOR
  if (raw.g) return AttributeType.GRAPH
  if (raw.ints.length > 0) return AttributeType.INTS
  if (raw.floats.length > 0) return AttributeType.FLOATS
  if (raw.strings.length > 0) return AttributeType.STRINGS
  return AttributeType.UNDEFINED
}

/** raw_data, or the typed field that this element type uses. Typed 32-bit fields also carry the smaller types. */
function inlineBytes(raw: TensorProto, dtype: DType): Uint8Array {
  if (raw.rawData.byteLength > 0) return raw.rawData
  if (raw.floatData.byteLength > 0) return raw.floatData
  if (raw.doubleData.byteLength > 0) return raw.doubleData
  if (raw.int64Data.length > 0) return bytesOf(BigInt64Array.from(raw.int64Data))
  if (raw.uint64Data.length > 0)
    return bytesOf(dtype === 'uint32' ? Uint32Array.from(raw.uint64Data, Number) : BigUint64Array.from(raw.uint64Data))
  if (raw.int32Data.length > 0) {
    const width = byteLengthOf(dtype, 1)
    if (dtype === 'int32') return bytesOf(Int32Array.from(raw.int32Data))
    return bytesOf(width === 2 ? Uint16Array.from(raw.int32Data) : Uint8Array.from(raw.int32Data))
  }
  return new Uint8Array(0)
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

function valueInfo(raw: ValueInfoProto): ValueInfo {
  const type = raw.type?.value
  const container = containerOf(raw.type)
  if (container) return { name: raw.name, container, raw }
  if (type?.case !== 'tensorType' || type.value.elemType === 0) return { name: raw.name, raw }
  const dtype = dtypeOf(type.value.elemType)
  const shape = type.value.shape?.dim.map((dim): Dim => {
    // Exporters write -1 for a dimension that is free, and ONNX Runtime takes it so.
    if (dim.value.case === 'dimValue') return dim.value.value < 0n ? null : Number(dim.value.value)
    return dim.value.case === 'dimParam' && dim.value.value !== '' ? dim.value.value : null
  })
  return { name: raw.name, dtype, ...(shape ? { shape } : {}), raw }
}

/** The type of a sequence, optional or map; undefined for a tensor. */
function containerOf(type: TypeProto | undefined): ValueType | undefined {
  const value = type?.value
  if (value?.case === 'sequenceType')
    return wrapped(containerOf(value.value.elemType) ?? tensorOf(value.value.elemType), 'sequence')
  if (value?.case === 'optionalType')
    return wrapped(containerOf(value.value.elemType) ?? tensorOf(value.value.elemType), 'optional')
  if (value?.case === 'mapType') return wrapped(tensorOf(value.value.valueType), 'map')
  return undefined
}

function tensorOf(type: TypeProto | undefined): ValueType | undefined {
  return type?.value.case === 'tensorType' ? { dtype: dtypeOf(type.value.value.elemType), inside: [] } : undefined
}

const decoder = new TextDecoder()

function text(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}
