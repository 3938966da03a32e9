// What the written file must run on, as data: which operators have integer kernels, and what each needs around it.

/** How an operator can take part in an integer region. */
export type Role =
  /** Multiplies with an int8 weight. */
  | 'layer'
  /** Computes on codes, with a grid of its own for the output. */
  | 'integer'
  /** Moves codes; the output has the input's grid. */
  | 'pass-through'
  /** A Min with a constant: works on codes, between Q and DQ, so that the operator before it still fuses. */
  | 'cap'
  /** Disappears into the operator before it when that one is an integer operator. */
  | 'activation'

export interface TargetOp {
  readonly op: string
  readonly role: Role
  /** Only with this attribute; `usual` is what the attribute is when it is not given. */
  readonly when?: { readonly attribute: string; readonly is: string; readonly usual: string }
  /** Attributes, lists of numbers that are usually 1, which the integer kernel lacks; ONNX Runtime fuses all the same and fails. */
  readonly lacks?: readonly string[]
  /** A layer that has an integer kernel with a float result needs no grid for its output. */
  readonly output?: 'required' | 'optional'
  /** A Relu or Clip right behind the layer is fused with it in float first, unless their result is quantised. */
  readonly losesToActivation?: boolean
}

export interface Target {
  readonly name: string
  readonly ops: readonly TargetOp[]
  /** Layers without an integer kernel whose weight may be codes behind DequantizeLinear: smaller, and computed in float. */
  readonly storesWeight: readonly string[]
  /** Operators that people expect to be integer, and why they are not. */
  readonly floatReasons: Readonly<Record<string, string>>
  /** Kernels that count as integer, by operator of the optimised graph. */
  readonly integerKernels: readonly string[]
}
