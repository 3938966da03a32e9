// What the algorithms need to know of an operator, as data. Shared code asks the facts instead of naming operators.
import type { DType } from '../dtype.ts'
import type { Node } from '../model.ts'
import type { Tensor } from '../tensor.ts'
import type { ValueType } from '../value-type.ts'

/** Looks up the constant behind a value name. */
export type Constants = (value: string | undefined) => Tensor | undefined

/** Bounds that an operator's output cannot leave. */
export interface Bounds {
  readonly low: number
  readonly high: number
}

/** How an operator multiplies its input with a weight. */
export interface LayerFacts {
  /** Index of the input that is the weight. */
  readonly weight: number
  /** Index of the input that is the bias; absent: what is added is a node of its own. */
  readonly bias?: number
  /** Axis of the channels that it reads and gives: the one behind the batch, or the last. */
  readonly channels: 'second' | 'last'
  /** A window moves over the axes behind the channels: each result gathers what is under it, or each input spreads over it. */
  readonly window?: 'gathers' | 'spreads'
  /** Has factors of its product and its bias, `alpha` and `beta`. */
  readonly scaled?: boolean
  /** The weight may be the left operand, too. */
  readonly eitherSide?: boolean
}

export interface OpFacts {
  readonly op: string
  /** Multiplies its input with a weight. */
  readonly layer?: LayerFacts
  /** Moves, copies or picks elements of its first input: every output value is an input value (or zero, when padded). */
  readonly movesData?: boolean
  /** f(x) for each element on its own. */
  readonly elementwise?: boolean
  /** f(s·x) = s·f(x) for s > 0. */
  readonly homogeneous?: boolean
  /**
   * Finite inputs far from float32's limits give a finite output; `multiplies`: its size is that of a product of two inputs,
   * otherwise of their sum at most.
   */
  readonly keepsFinite?: 'adds' | 'multiplies'
  /** Bounds of the output, whatever the input. */
  readonly bounds?: (node: Node, constants: Constants) => Bounds | undefined
  /** Attributes that hold the number of an element type. */
  readonly typeAttributes?: readonly string[]
  /** Element type of output `index`; without it, and without `type`, that of the first input. */
  readonly dtype?: (node: Node, index: number, inputs: (index: number) => DType | undefined) => DType | undefined
  /** Type of output `index`, where inputs or outputs may be sequences or optionals. */
  readonly type?: (
    node: Node,
    index: number,
    inputs: (index: number) => ValueType | undefined,
    bodies: Bodies,
  ) => ValueType | undefined
  /** ONNX Runtime asks for a name of every output, also of those that nobody reads. */
  readonly namesOutputs?: boolean
}

/** Types of what the graphs inside a node give, by attribute: `inputs` are the types that the body's own inputs have. */
export type Bodies = (
  attribute: string,
  inputs?: readonly (ValueType | undefined)[],
) => readonly (ValueType | undefined)[]

/** Checks the facts of one operator. */
export function defineOp(facts: OpFacts): OpFacts {
  return facts
}
