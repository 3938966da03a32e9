// Operators that normalise, then multiply with a gain and add a bias: which inputs those are, and the axis they lie along.
import type { Node } from '../model.ts'

export interface NormFacts {
  /** Input that the normalised value is multiplied with: its numbers have the unit of output 0. */
  readonly gain: number
  /** Input that is added then. */
  readonly bias?: number
  /** Axis of output 0 that gain and bias lie along. */
  readonly axis: 1 | 'last'
}

const own: Readonly<Record<string, NormFacts>> = {
  LayerNormalization: { gain: 1, bias: 2, axis: 'last' },
  RMSNormalization: { gain: 1, axis: 'last' },
  // ONNX Runtime's own, although it goes by ONNX's domain.
  SimplifiedLayerNormalization: { gain: 1, axis: 'last' },
  InstanceNormalization: { gain: 1, bias: 2, axis: 1 },
  GroupNormalization: { gain: 1, bias: 2, axis: 1 },
}

const contributed: Readonly<Record<string, NormFacts>> = {
  SkipLayerNormalization: { gain: 2, bias: 3, axis: 'last' },
  SkipSimplifiedLayerNormalization: { gain: 2, axis: 'last' },
  EmbedLayerNormalization: { gain: 5, bias: 6, axis: 'last' },
}

/** Where a norm has its gain and bias; undefined for any other operator. Outputs but the first know nothing of them. */
export function normOf({ opType, domain }: Node): NormFacts | undefined {
  const table = domain === '' || domain === 'ai.onnx' ? own : domain === 'com.microsoft' ? contributed : {}
  return Object.hasOwn(table, opType) ? table[opType] : undefined
}
