// y = scale·x + shift for each channel: what BatchNormalization and Mul/Add/Sub/Div with a constant have in common.
import { InputError } from '../../base/index.ts'
import {
  type ChannelStatistics,
  floatAttribute,
  type GraphEditor,
  intAttribute,
  isFloat,
  isOp,
  type Node,
  nodeName,
  type Tensor,
} from '../../onnx/index.ts'
import { doublesOf } from '../float-tensor.ts'

/** Variances below this are those of dead channels: folding them gives huge factors. */
const NEAR_DEAD = 1e-6

export interface Affine {
  readonly scale: Float64Array
  readonly shift: Float64Array
}

/** An affine map with what a BatchNormalization knew of its channels. */
export interface Norm extends Affine {
  /** Of the output: β and |γ|. */
  readonly output: ChannelStatistics
  /** Of the input: μ and √v. */
  readonly input: ChannelStatistics
  readonly nearDead: readonly number[]
}

/** `after` applied to the result of `before`. */
export function compose(before: Affine, after: Affine): Affine {
  return {
    scale: before.scale.map((scale, c) => scale * (after.scale[c] ?? 1)),
    shift: before.shift.map((shift, c) => shift * (after.scale[c] ?? 1) + (after.shift[c] ?? 0)),
  }
}

/** Statistics of a tensor after an affine map of its channels. */
export function rescale(statistics: ChannelStatistics, { scale, shift }: Affine): ChannelStatistics {
  return {
    ...statistics,
    mean: statistics.mean.map((mean, c) => mean * (scale[c] ?? 1) + (shift[c] ?? 0)),
    deviation: statistics.deviation.map((deviation, c) => deviation * Math.abs(scale[c] ?? 1)),
  }
}

/**
 * A BatchNormalization as G·x + h, G = γ/√(v + ε), h = β − μ·G; or why it cannot be folded.
 * @throws InputError when a channel's v + ε is not positive or a parameter is not finite
 */
export function normOf(editor: GraphEditor, node: Node): Norm | string {
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((index) => editor.constant(node.inputs[index]))
  if (!gamma || !beta || !mean || !variance) return 'its parameters are not constants; run fold-constants first'
  if (intAttribute(node, 'training_mode', 0) === 1) return 'it is in training mode'
  if (intAttribute(node, 'spatial', 1) === 0) return 'it has statistics for each pixel (spatial = 0)'
  if (node.outputs.slice(1).some((output) => output !== '' && editor.uses(output) > 0))
    return 'its statistics outputs are used'
  if (!isFloat(gamma.dtype)) return `its scale is ${gamma.dtype}`
  const epsilon = floatAttribute(node, 'epsilon', 1e-5)
  const [g, b, m, v] = [gamma, beta, mean, variance].map(doublesOf) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  if (b.length !== g.length || m.length !== g.length || v.length !== g.length)
    throw new InputError(
      `BatchNormalization "${nodeName(node)}" has ${[g, b, m, v].map((list) => list.length)} parameters; all four lists must have one entry a channel`,
      { node: nodeName(node), op: node.opType },
    )
  for (const [c, value] of v.entries()) {
    const fine = value + epsilon > 0 && [value, g[c], b[c], m[c]].every((entry) => Number.isFinite(entry))
    if (!fine)
      throw new InputError(
        `BatchNormalization "${nodeName(node)}" cannot be computed in channel ${c}: variance ${value}, epsilon ${epsilon}, scale ${g[c]}, bias ${b[c]}, mean ${m[c]}; variance + epsilon must be positive and all finite, is the file damaged?`,
        { node: nodeName(node), op: node.opType },
      )
  }
  const deviation = v.map((value) => Math.sqrt(value + epsilon))
  const scale = g.map((value, c) => value / (deviation[c] ?? 1))
  return {
    scale,
    shift: b.map((value, c) => value - (m[c] ?? 0) * (scale[c] ?? 0)),
    output: { mean: b, deviation: g.map(Math.abs), source: 'batch-norm' },
    input: { mean: m, deviation: v.map(Math.sqrt), source: 'batch-norm' },
    nearDead: [...v.keys()].filter((c) => (v[c] ?? 0) < NEAR_DEAD),
  }
}

/** Where the channels of a value lie. The rank is only missing for a MatMul that was never run. */
export interface ChannelAxis {
  readonly channels: number
  /** Counted from the end: −1 is the last axis. Known even when the rank is not. */
  readonly fromEnd: number
  readonly rank?: number
}

/** A Mul, Add, Sub or Div of `value` with a constant that has one number a channel (or one for all), or undefined. */
export function constantAffineOf(editor: GraphEditor, node: Node, value: string, at: ChannelAxis): Affine | undefined {
  if (!isOp(node, 'Mul', 'Add', 'Sub', 'Div') || node.attributes.size > 0) return undefined
  const index = node.inputs[0] === value ? 1 : 0
  const constant = editor.constant(node.inputs[index])
  if (!constant || !isFloat(constant.dtype)) return undefined
  const values = perChannel(constant, at)
  if (!values?.every(Number.isFinite)) return undefined
  const ones = () => new Float64Array(at.channels).fill(1)
  const zeros = () => new Float64Array(at.channels)
  switch (node.opType) {
    case 'Mul':
      return { scale: values, shift: zeros() }
    case 'Add':
      return { scale: ones(), shift: values }
    case 'Sub':
      return index === 1 ? { scale: ones(), shift: values.map((x) => -x) } : { scale: ones().fill(-1), shift: values }
    default:
      if (index === 0 || values.includes(0)) return undefined
      return { scale: values.map((x) => 1 / x), shift: zeros() }
  }
}

/** The numbers of a constant that broadcasts along the channel axis only, one a channel. */
function perChannel(constant: Tensor, { channels, fromEnd, rank }: ChannelAxis): Float64Array | undefined {
  const { shape } = constant
  // A constant of higher rank would raise the rank of the result.
  if (shape.length > (rank ?? 1) && shape.length > 0) return undefined
  const axis = shape.length + fromEnd
  const size = shape[axis] ?? 1
  if (constant.size !== size || (size !== 1 && size !== channels)) return undefined
  const values = doublesOf(constant)
  return size === channels ? values : new Float64Array(channels).fill(values[0] ?? 0)
}
