// Reading and making attributes without spelling out their types.
import { InputError } from '../base/index.ts'
import type { Attribute, Node } from './model.ts'
import type { Tensor } from './tensor.ts'

function wrongType(node: Node, name: string, expected: string, got: string): InputError {
  return new InputError(`node "${node.name}" (${node.opType}): attribute "${name}" should be ${expected}, got ${got}`, {
    node: node.name,
    op: node.opType,
  })
}

/** An integer attribute, or `fallback` when absent. Values beyond ±2^53 are clamped (INT64_MAX as "to the end"). */
export function intAttribute(node: Node, name: string, fallback: number): number {
  const attribute = node.attributes.get(name)
  if (!attribute) return fallback
  if (attribute.type !== 'int') throw wrongType(node, name, 'an integer', attribute.type)
  return clampBigInt(attribute.value)
}

/** A list of integers, or undefined when absent. */
export function intsAttribute(node: Node, name: string): number[] | undefined {
  const attribute = node.attributes.get(name)
  if (!attribute) return undefined
  if (attribute.type !== 'ints') throw wrongType(node, name, 'a list of integers', attribute.type)
  return attribute.value.map(clampBigInt)
}

/** A float attribute, or `fallback` when absent. */
export function floatAttribute(node: Node, name: string, fallback: number): number {
  const attribute = node.attributes.get(name)
  if (!attribute) return fallback
  if (attribute.type !== 'float') throw wrongType(node, name, 'a float', attribute.type)
  return attribute.value
}

/** A list of floats, or undefined when absent. */
export function floatsAttribute(node: Node, name: string): readonly number[] | undefined {
  const attribute = node.attributes.get(name)
  if (!attribute) return undefined
  if (attribute.type !== 'floats') throw wrongType(node, name, 'a list of floats', attribute.type)
  return attribute.value
}

/** A string attribute, or `fallback` when absent. */
export function stringAttribute(node: Node, name: string, fallback: string): string {
  const attribute = node.attributes.get(name)
  if (!attribute) return fallback
  if (attribute.type !== 'string') throw wrongType(node, name, 'a string', attribute.type)
  return attribute.value
}

/** A tensor attribute, or undefined when absent. */
export function tensorAttribute(node: Node, name: string): Tensor | undefined {
  const attribute = node.attributes.get(name)
  if (!attribute) return undefined
  if (attribute.type !== 'tensor') throw wrongType(node, name, 'a tensor', attribute.type)
  return attribute.value
}

/** An attribute of one integer. @throws RangeError when it is none */
export function intAttr(value: number): Attribute {
  return { type: 'int', value: BigInt(value) }
}

/** An attribute of integers. @throws RangeError when one of them is none */
export function intsAttr(values: readonly number[]): Attribute {
  return { type: 'ints', value: values.map(BigInt) }
}

/** An attribute of one float32. */
export function floatAttr(value: number): Attribute {
  return { type: 'float', value: Math.fround(value) }
}

/** An attribute of text, UTF-8 in the file. */
export function stringAttr(value: string): Attribute {
  return { type: 'string', value }
}

function clampBigInt(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER
  if (value < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER
  return Number(value)
}
