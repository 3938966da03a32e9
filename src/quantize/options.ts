// Options of quantisation: the recipe's and the command line's words.
import type { RangeMethod } from '../calibrate/index.ts'
import type { QuantType } from '../math/index.ts'

export interface QuantizeOptions {
  readonly weights: 'per-channel' | 'per-tensor'
  readonly activationType: Extract<QuantType, 'uint8' | 'int8' | 'uint16' | 'int16'>
  readonly range: RangeMethod
  /** static: weights and activations; weights: a smaller file, activations float. */
  readonly mode: 'static' | 'weights'
  /** Node names, operator types, globs (`conv*`) or regular expressions (`/^head/`) that stay float. */
  readonly exclude: readonly string[]
  /** When not empty, only these are quantised. */
  readonly only: readonly string[]
}

export const quantizeDefaults: QuantizeOptions = {
  weights: 'per-channel',
  activationType: 'uint8',
  range: 'minmax',
  mode: 'static',
  exclude: [],
  only: [],
}
