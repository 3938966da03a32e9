// The techniques by their names. A new one is a line here, and its name in `recipe/words.ts`, where the order stands.

import { type TechniqueName, techniqueNames } from '../../../recipe/index.ts'
import type { Technique } from '../technique.ts'
import { absorbBias } from './absorb-bias.ts'
import { correctBias } from './correct-bias.ts'
import { equalize } from './equalize.ts'
import { foldDeadChannelsTechnique } from './fold-dead-channels.ts'
import { keepFloat } from './keep-float.ts'
import { optimizeRounding } from './optimize-rounding.ts'
import { separateOutliersTechnique } from './separate-outliers.ts'
import { tuneBias } from './tune-bias.ts'

const known: Readonly<Record<TechniqueName, Technique>> = {
  'fold-dead-channels': foldDeadChannelsTechnique as Technique,
  'separate-outliers': separateOutliersTechnique as Technique,
  equalize: equalize as Technique,
  'absorb-bias': absorbBias as Technique,
  'keep-float': keepFloat as Technique,
  'correct-bias': correctBias,
  'optimize-rounding': optimizeRounding,
  'tune-bias': tuneBias,
}

/** Those of these names, in the order in which they are applied. */
export function techniquesOf(names: readonly TechniqueName[]): readonly Technique[] {
  return techniqueNames.filter((name) => names.includes(name)).map((name) => known[name])
}
