// Options of quantisation: the recipe's and the command line's words.
import type { RangeMethod } from '../calibrate/index.ts'
import type { QuantType } from '../math/index.ts'
import type { GivenGrids } from './encodings/given-grids.ts'
import type { Overrides } from './overrides.ts'
import { targets } from './targets/index.ts'
import type { Target } from './targets/target.ts'

export interface QuantizeOptions {
  /** What the file must run on. */
  readonly target: Target
  readonly weights: 'per-channel' | 'per-tensor'
  /** 4: codes from −7 to 7, except for the layers that `keep8bit` names. */
  readonly weightBits: 8 | 4
  /** With 4 bits: `first`, `last`, `depthwise`, `none`, or patterns of layers that keep 8. */
  readonly keep8bit: readonly string[]
  /** Tables whose rows are picked by index: 8 bits with a scale for each row, 4 bits in blocks, or as they are. */
  readonly embeddings: 8 | 4 | 'float'
  readonly activationType: Extract<QuantType, 'uint8' | 'int8' | 'uint16' | 'int16'>
  readonly range: RangeMethod
  /** Node names, operator types, globs (`conv*`) or regular expressions (`/^head/`) that stay float. */
  readonly exclude: readonly string[]
  /** When not empty, only these are quantised. */
  readonly only: readonly string[]
  /** Values that get no grid, and why: what must read or make them in integers stays float. */
  readonly floatValues?: ReadonlyMap<string, string>
  /** Nodes that are faster in float on the target, and why. */
  readonly slowNodes?: ReadonlyMap<string, string>
  /** What is said of single tensors. */
  readonly overrides?: Overrides
  /** Grids that are taken as they are, instead of being found. */
  readonly given?: GivenGrids
  /** Values whose range is min-max, whatever `range` says: what the method clips there costs the outputs too much. */
  readonly minmaxValues?: ReadonlySet<string>
}

export const quantizeDefaults: QuantizeOptions = {
  target: targets[0],
  weights: 'per-channel',
  weightBits: 8,
  keep8bit: ['first', 'last', 'depthwise'],
  embeddings: 8,
  activationType: 'uint8',
  range: 'minmax',
  exclude: [],
  only: [],
}
