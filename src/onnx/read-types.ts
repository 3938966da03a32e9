// Types in messages: of attributes, and of values with their shapes.
import { dtypeOf } from './dtype.ts'
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type TypeProto,
  type ValueInfoProto,
} from './generated/onnx_pb.ts'
import type { Dim, ValueInfo } from './model.ts'
import { type ValueType, wrapped } from './value-type.ts'

/** Files of before IR 3 leave the type out: it follows from the field that is set. */
export function attributeType(raw: AttributeProto): number {
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

/** A declared value: name, and element type and shape where they are given. */
export function valueInfo(raw: ValueInfoProto): ValueInfo {
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
