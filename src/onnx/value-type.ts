// What a value is: a tensor of an element type, or something that holds tensors.
import type { DType } from './dtype.ts'

/** What a value is: a tensor, or sequences, optionals and maps of tensors. */
export interface ValueType {
  /** Element type of the tensors; absent where it is not known. */
  readonly dtype: DType | undefined
  /** What has to be opened to come to a tensor, from the outside in; empty for a tensor. */
  readonly inside: readonly Container[]
}

export type Container = 'sequence' | 'optional' | 'map'

/** A value put into a sequence or an optional. */
export function wrapped(type: ValueType | undefined, container: Container): ValueType {
  return { dtype: type?.dtype, inside: [container, ...(type?.inside ?? [])] }
}

/** A type as a person reads it: float32, sequence(float32). */
export function printType({ dtype, inside }: ValueType): string {
  return inside.reduceRight((text, container) => `${container}(${text})`, dtype ?? '?')
}
