// Model → bytes of an ONNX file. With read.ts the only place that knows protobuf.
import { create, toBinary } from '@bufbuild/protobuf'
import { dtypeNumber } from './dtype.ts'
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type FunctionProto,
  FunctionProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type OperatorSetIdProto,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.ts'
import {
  type Attribute,
  allInputs,
  type Graph,
  type LocalFunction,
  type Model,
  type Node,
  type ValueInfo,
} from './model.ts'
import { type ModelPart, TensorSplicer } from './splice-tensors.ts'
import type { Tensor } from './tensor.ts'

/** Puts large tensors into data files beside the model. */
export interface ExternalSink {
  /** Tensors of at least this many bytes go outside. */
  readonly minBytes: number
  /** Takes a tensor, and says in which file its bytes are, as it is written into the model, and where there; undefined: it stays inside. */
  readonly add: (tensor: Tensor) => { readonly location: string; readonly offset: number } | undefined
}

/** Where the bytes of tensors go. */
interface Sink {
  readonly external: ExternalSink | undefined
  readonly splicer: TensorSplicer
}

/** Encodes a model. Deterministic: the same model gives the same bytes. */
export function writeModel(model: Model, external?: ExternalSink): Uint8Array {
  const sink: Sink = { external, splicer: new TensorSplicer() }
  return sink.splicer.finish(encoded(model, sink))
}

/** A model's file part by part; the bytes of large tensors are left where they are. */
export function modelParts(model: Model, external?: ExternalSink): readonly ModelPart[] {
  const sink: Sink = { external, splicer: new TensorSplicer() }
  return sink.splicer.parts(encoded(model, sink))
}

/** Bytes of a model's file with all constants inside; those that lie in files are not read for it. */
export function encodedLength(model: Model): number {
  const sink: Sink = { external: undefined, splicer: new TensorSplicer() }
  return sink.splicer.length(encoded(model, sink))
}

/** A model with marks for large tensors. */
function encoded(model: Model, sink: Sink): Uint8Array {
  const raw = model.raw as ModelProto | undefined
  const proto = Object.assign(create(ModelProtoSchema), raw, {
    irVersion: BigInt(model.irVersion),
    producerName: model.producer,
    opsetImport: opsetProtos(model.opsets),
    metadataProps: [...model.metadata].map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
    graph: graphProto(model.graph, sink),
    functions: (model.functions ?? []).map((each) => functionProto(each, sink)),
  })
  return toBinary(ModelProtoSchema, proto)
}

function opsetProtos(opsets: ReadonlyMap<string, number>): OperatorSetIdProto[] {
  return [...opsets].map(([domain, version]) => create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }))
}

/** Functions are never changed: one that was read is written as it was. */
function functionProto(own: LocalFunction, sink: Sink): FunctionProto {
  if (own.raw) return own.raw as FunctionProto
  const defaults = [...own.attributes].flatMap(([name, attribute]) =>
    attribute ? [attributeProto(name, attribute, sink)] : [],
  )
  return create(FunctionProtoSchema, {
    domain: own.domain,
    name: own.name,
    overload: own.overload,
    input: [...own.inputs],
    output: [...own.outputs],
    attribute: [...own.attributes].flatMap(([name, attribute]) => (attribute ? [] : [name])),
    attributeProto: defaults,
    node: own.nodes.map((node) => nodeProto(node, sink)),
    valueInfo: [...own.valueInfo.values()].map(valueInfoProto),
    opsetImport: opsetProtos(own.opsets),
  })
}

function graphProto(graph: Graph, sink: Sink): GraphProto {
  const defaults = [...(graph.overridable ?? [])].map(([name, { value }]) => [name, value] as const)
  return Object.assign(create(GraphProtoSchema), graph.raw as GraphProto | undefined, {
    name: graph.name,
    node: graph.nodes.map((node) => nodeProto(node, sink)),
    initializer: [...graph.initializers, ...defaults].map(([name, tensor]) => tensorProto(name, tensor, sink)),
    sparseInitializer: [],
    input: allInputs(graph).map(valueInfoProto),
    output: graph.outputs.map(valueInfoProto),
    valueInfo: [...graph.valueInfo.values()].map(valueInfoProto),
  })
}

function nodeProto(node: Node, sink: Sink): NodeProto {
  const proto = Object.assign(create(NodeProtoSchema), node.raw as NodeProto | undefined, {
    ...(node.name === '' ? {} : { name: node.name }),
    opType: node.opType,
    ...(node.domain === '' ? {} : { domain: node.domain }),
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: [...node.attributes].map(([name, attribute]) => attributeProto(name, attribute, sink)),
  })
  // The file may have said "ai.onnx": the opset import does not any more, and a checker compares the two.
  if (node.domain === '') delete (proto as Partial<NodeProto>).domain
  return proto
}

function attributeProto(name: string, attribute: Attribute, sink: Sink): AttributeProto {
  const raw = attribute.raw as AttributeProto | undefined
  const base = (fields: Partial<AttributeProto>) =>
    Object.assign(create(AttributeProtoSchema), raw, { name, ...fields })
  switch (attribute.type) {
    case 'int':
      return base({ type: AttributeType.INT, i: attribute.value })
    case 'float':
      return base({ type: AttributeType.FLOAT, f: attribute.value })
    case 'string':
      // Bytes that are not text pass through as they were.
      return base(raw ? {} : { type: AttributeType.STRING, s: encoder.encode(attribute.value) })
    case 'ints':
      return base({ type: AttributeType.INTS, ints: [...attribute.value] })
    case 'floats':
      return base({ type: AttributeType.FLOATS, floats: [...attribute.value] })
    case 'strings':
      return base(
        raw ? {} : { type: AttributeType.STRINGS, strings: attribute.value.map((value) => encoder.encode(value)) },
      )
    case 'tensor':
      return base({ type: AttributeType.TENSOR, t: tensorProto(raw?.t?.name ?? '', attribute.value, sink) })
    case 'graph':
      return base({ type: AttributeType.GRAPH, g: graphProto(attribute.value, sink) })
    case 'graphs':
      return base({ type: AttributeType.GRAPHS, graphs: attribute.value.map((graph) => graphProto(graph, sink)) })
    case 'other':
      return base(raw || attribute.reference === undefined ? {} : { refAttrName: attribute.reference })
  }
}

const encoder = new TextEncoder()

function tensorProto(name: string, tensor: Tensor, sink: Sink): TensorProto {
  const raw = tensor.raw as TensorProto | undefined
  // Everything but the data survives from the file; the data always goes into one field.
  const proto = Object.assign(create(TensorProtoSchema), raw, {
    ...(name === '' ? {} : { name }),
    dims: tensor.shape.map(BigInt),
    dataType: dtypeNumber(tensor.dtype),
    externalData: [],
    int32Data: [],
    int64Data: [],
    uint64Data: [],
  })
  for (const field of ['dataLocation', 'rawData', 'floatData', 'doubleData'] as const)
    delete (proto as Partial<TensorProto>)[field]
  if (tensor.strings) return Object.assign(proto, { stringData: [...tensor.strings] })
  const { external, splicer } = sink
  const place = external && tensor.byteLength >= external.minBytes ? external.add(tensor) : undefined
  if (!place) return Object.assign(proto, { rawData: splicer.take(tensor) })
  const entries = { location: place.location, offset: String(place.offset), length: String(tensor.byteLength) }
  return Object.assign(proto, {
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
  })
}

function valueInfoProto(info: ValueInfo): ValueInfoProto {
  if (info.raw) return Object.assign(create(ValueInfoProtoSchema), info.raw as ValueInfoProto, { name: info.name })
  const proto = create(ValueInfoProtoSchema, { name: info.name })
  if (info.dtype === undefined) return proto
  const tensor = create(TypeProto_TensorSchema, { elemType: dtypeNumber(info.dtype) })
  if (info.shape) {
    const dim = info.shape.map((size) => {
      if (size === null) return create(TensorShapeProto_DimensionSchema)
      return create(TensorShapeProto_DimensionSchema, {
        value: typeof size === 'number' ? { case: 'dimValue', value: BigInt(size) } : { case: 'dimParam', value: size },
      })
    })
    tensor.shape = create(TensorShapeProtoSchema, { dim })
  }
  proto.type = create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } })
  return proto
}
