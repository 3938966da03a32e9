// Everything that depends on where the written file will run, as data: operators, types, fusions, and how it is looked at and timed.
import type { QuantType, ScalarGrid } from '../../math/index.ts'

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
  /**
   * Every input carries codes, or every one but results of layers that nothing else reads: their kernel takes the operator in before it
   * rounds. Absent: the first.
   */
  readonly reads?: 'all' | 'unfused'
  /** Every output gets codes; absent: the first, and an operator with a second one stays float. */
  readonly gives?: 'all'
  /** Only with this attribute; `usual` is what the attribute is when it is not given. */
  readonly when?: { readonly attribute: string; readonly is: string; readonly usual: string }
  /** Attributes, lists of numbers that are usually 1, which the integer kernel lacks; the runtime fuses all the same and fails. */
  readonly lacks?: readonly string[]
  /** A layer that has an integer kernel with a float result needs no grid for its output. */
  readonly output?: 'required' | 'optional'
  /** A Relu or Clip right behind the layer is fused with it in float first, unless their result is quantised. */
  readonly losesToActivation?: boolean
  /** The kernel of a layer has one scale for each output channel of the weight; absent: one for all of it. */
  readonly perChannel?: boolean
  /** Without a constant weight, it multiplies two values in integers. */
  readonly ofValues?: true
  /** The grid of its result that its kernel needs, by the type of the codes, whatever was seen. */
  readonly resultGrids?: Partial<Record<QuantType, ScalarGrid>>
  /** Layers that have the kernel and are faster without it. */
  readonly slow?: readonly SlowLayers[]
}

/** Layers of one kind: those that fulfil everything that is said here. */
export interface SlowLayers {
  readonly depthwise?: boolean
  /** At most so many input channels in a group. */
  readonly inputs?: number
  /** One clause for the report. */
  readonly why: string
}

/** What keeps an operator between DequantizeLinear and QuantizeLinear from becoming one integer operator. */
export type FusionBlocker =
  /** A scale, zero point or bound of one element in the shape [1] instead of []. */
  | 'ranked-scalar'
  /** A result that is read twice before it is quantised. */
  | 'second-consumer'
  /** A grid that reaches beyond the range of the Relu or Clip in front of QuantizeLinear. */
  | 'wider-grid'

export interface Target {
  readonly name: string
  /**
   * The `name` of the Runtime that it is, or is compiled from: latencies of another one are not those of the target. Absent: this
   * toolkit has none. Accuracy is then that of ONNX Runtime's simulation of the file, and nothing is timed.
   */
  readonly runtime?: string
  /** Where there is no runtime of this toolkit: what shows how fast a file is, as the end of a sentence. */
  readonly measuredWith?: string
  readonly ops: readonly TargetOp[]
  /** Layers without an integer kernel whose weight may be codes behind DequantizeLinear: smaller, and computed in float. */
  readonly storesWeight: readonly string[]
  /** Values half-way between two codes are not always rounded to even: where samples may lie there, the grid is widened by a step. */
  readonly tiesDiffer?: true
  /** Operators that people expect to be integer, and why they are not. */
  readonly floatReasons: Readonly<Record<string, string>>
  /** What stays float leaves its processor: operators need no integer neighbour, activations stand alone, and constants get grids, too. */
  readonly takesAll?: true
  /** All values of an operator have one type: one of another is brought to that of the result first. */
  readonly oneType?: true
  /** Bits that weights of 8 bits use; absent: all. */
  readonly weightBits?: 7
  /** Biases of integer layers: codes on the grid of input times weight, or as they are. */
  readonly biases: 'int32' | 'float'
  readonly activations: {
    /** Types that grids of activations may have, the usual one first. */
    readonly types: readonly QuantType[]
    /** Only grids whose zero point is 0: even on both sides for signed types. */
    readonly symmetric: boolean
  }
  /** The first opset at which it reads a grid, one with a scale for each channel, and codes of 16 or 4 bits. */
  readonly opsets: { readonly grid: number; readonly perChannel: number; readonly wide: number }
  readonly fusion: {
    readonly blockedBy: readonly FusionBlocker[]
    /** The runtime quantises the weight of a float layer between DQ and Q itself, with one scale: they must be kept apart. */
    readonly takesFloatLayers: boolean
  }
  /** Integer kernels by their operator in the runtime's own optimised graph, with the inputs where the weight may be. */
  readonly kernels: Readonly<Record<string, readonly number[]>>
}
