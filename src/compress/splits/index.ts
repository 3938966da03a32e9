// All splits. A new one is one file and one line here.
import { horizontalVertical } from './horizontal-vertical.ts'
import { inputSide } from './input-side.ts'
import { outputSide } from './output-side.ts'
import type { Split, SplitName } from './split.ts'
import { verticalHorizontal } from './vertical-horizontal.ts'

export { type LayerSizes, type Size, type Split, type SplitName, type SplitPart, wholePart } from './split.ts'
export { horizontalVertical, inputSide, outputSide, verticalHorizontal }

export const splits: readonly Split[] = [verticalHorizontal, horizontalVertical, inputSide, outputSide]

/** The split of a name. */
export function splitNamed(name: SplitName): Split {
  return splits.find((split) => split.name === name) ?? outputSide
}
