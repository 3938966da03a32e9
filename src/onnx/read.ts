// Bytes of an ONNX file → Model. With write.ts the only place that knows protobuf.
import { fromBinary } from '@bufbuild/protobuf'
import { InputError, messageOf, sizeOf } from '../base/index.ts'
import { byteLengthOf, type DType, dtypeOf } from './dtype.ts'
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation,
  type TypeProto,
  type ValueInfoProto,
} from './generated/onnx_pb.ts'
import type { Attribute, Dim, Graph, Model, Node, ValueInfo } from './model.ts'
import { nameOutputs } from './name-outputs.ts'
import { packFloats } from './pack-floats.ts'
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

/**
 * Decodes an ONNX model. Tensor data is not copied: the tensors are views of `bytes`.
 * Unknown fields, functions, metadata and unknown element types are kept and written back by `writeModel`.
 * IR 3 files list their initialisers as inputs as well; those inputs are dropped (ONNX Runtime ignores values fed to them).
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

function readPacked(bytes: Uint8Array, options: ReadOptions): Model {
  const file = options.file ?? 'the model'
  const fail = (what: string) =>
    new InputError(`cannot read ${file}: ${what}`, options.file ? { file: options.file } : {})
  if (bytes.byteLength === 0) throw fail('the file is empty')
  const proto = decode(bytes, fail)
  if (!proto.graph || (proto.opsetImport.length === 0 && proto.graph.node.length === 0))
    throw fail('it is not an ONNX model (no graph inside)')

  const opsets = new Map(
    proto.opsetImport.map((entry) => [entry.domain === 'ai.onnx' ? '' : entry.domain, Number(entry.version)]),
  )
  const graph = new Reader(options, file).graph(proto.graph)
  nameOutputs(graph)
  const notes: string[] = []
  let irVersion = Number(proto.irVersion)
  const overridable = graph.inputs.filter((input) => graph.initializers.has(input.name))
  if (overridable.length > 0) {
    const kept = graph.inputs.filter((input) => !graph.initializers.has(input.name))
    graph.inputs.splice(0, graph.inputs.length, ...kept)
    irVersion = Math.max(irVersion, 4)
    notes.push(
      `${overridable.length} initialisers were also listed as graph inputs; ONNX Runtime ignores values fed to them, so the inputs were dropped`,
    )
  }
  return {
    irVersion,
    opsets,
    producer: proto.producerName,
    metadata: new Map(proto.metadataProps.map((entry) => [entry.key, entry.value])),
    graph,
    notes,
    raw: proto,
  }
}

function decode(bytes: Uint8Array, fail: (what: string) => InputError) {
  try {
    return fromBinary(ModelProtoSchema, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch (error) {
    throw fail(`it is not an ONNX model, or it is damaged (${messageOf(error)}, ${bytes.byteLength} bytes)`)
  }
}

class Reader {
  readonly #options: ReadOptions
  readonly #file: string

  constructor(options: ReadOptions, file: string) {
    this.#options = options
    this.#file = file
  }

  graph(proto: GraphProto): Graph {
    return {
      name: proto.name,
      nodes: proto.node.map((node) => this.node(node)),
      initializers: new Map(proto.initializer.map((tensor) => [tensor.name, this.tensor(tensor)])),
      inputs: proto.input.map(valueInfo),
      outputs: proto.output.map(valueInfo),
      valueInfo: new Map(proto.valueInfo.map((info) => [info.name, valueInfo(info)])),
      raw: proto,
    }
  }

  node(proto: NodeProto): Node {
    return {
      name: proto.name,
      opType: proto.opType,
      domain: proto.domain === 'ai.onnx' ? '' : proto.domain,
      inputs: [...proto.input],
      outputs: [...proto.output],
      attributes: new Map(proto.attribute.map((attribute) => [attribute.name, this.attribute(attribute)])),
      raw: proto,
    }
  }

  attribute(raw: AttributeProto): Attribute {
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
    if (dim.value.case === 'dimValue') return Number(dim.value.value)
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
