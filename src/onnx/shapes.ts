// What a value looks like when the model runs: element type, dims, which axis is the batch. Plain data, observed by `runtime`.
import type { DType } from './dtype.ts'
import type { Model } from './model.ts'

export interface ValueShape {
  readonly dtype: DType
  /** Dims for the sample that was run; the batch axis, if known, has the size of that run. */
  readonly dims: readonly number[]
  /** The axis that grew when the batch did; absent when the model's batch is fixed or the value does not depend on it. */
  readonly batchAxis?: number
  /** Of an output: what a sample gives depends on the others in its batch, as with BatchNormalization in training. */
  readonly mixed?: boolean
}

/** Value name → what was observed. */
export type Shapes = ReadonlyMap<string, ValueShape>

/** Rank of a value, when it was observed. */
export function rankOf(shapes: Shapes, value: string | undefined): number | undefined {
  return value === undefined ? undefined : shapes.get(value)?.dims.length
}

/** Elements of all values of a sample: roughly what one inference costs. */
export function elementsOf(shapes: Shapes): number {
  let elements = 0
  for (const { dims } of shapes.values()) elements += dims.reduce((a, b) => a * b, 1)
  return elements
}

/** Elements of all values above which one inference takes seconds, and what runs a model often must run it less often. */
const EXPENSIVE = 256e6

/** Does one inference take seconds? A network for pictures of a million pixels, say. */
export function isExpensive(shapes: Shapes): boolean {
  return elementsOf(shapes) > EXPENSIVE
}

/** A model, and the shapes of its values for one sample. */
export interface ShapedModel {
  readonly model: Model
  readonly shapes: Shapes
}
