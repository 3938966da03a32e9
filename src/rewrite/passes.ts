// All passes, in the order in which they are applied by default. A new pass is one file and one line here.
import { nearestWord, UsageError } from '../base/index.ts'
import { absorbBiasPass } from './absorb-bias.ts'
import { activationBeforePool } from './activation-before-pool.ts'
import { convertOpset } from './convert-opset.ts'
import { declareOutputs } from './declare-outputs.ts'
import { equalizePass } from './equalize.ts'
import { equalizeClassicPass } from './equalize-classic.ts'
import { explicitAxes } from './explicit-axes.ts'
import { explicitBiases } from './explicit-biases.ts'
import { explicitPads } from './explicit-pads.ts'
import { float32Inside } from './float32-inside.ts'
import { foldBatchNorm } from './fold-batch-norm.ts'
import { foldConstants } from './fold-constants.ts'
import { foldDeadChannels } from './fold-dead-channels.ts'
import { freezeInputs } from './freeze-inputs.ts'
import { inlineFunctions } from './inline-functions.ts'
import { nameNodes } from './name-nodes.ts'
import { normalizeGemm } from './normalize-gemm.ts'
import { openHeads } from './open-heads.ts'
import { pointwiseToGemm } from './pointwise-to-gemm.ts'
import { reduceMeanToPool } from './reduce-mean-to-pool.ts'
import { removeIdentity } from './remove-identity.ts'
import type { Pass, Rewrite } from './rewrite.ts'
import { scalarBounds } from './scalar-bounds.ts'
import { shortcutToConv } from './shortcut-to-conv.ts'
import { storeOnce } from './store-once.ts'

/** The passes in default order. */
export const passes: readonly Rewrite[] = listed([
  inlineFunctions,
  nameNodes,
  declareOutputs,
  convertOpset,
  foldConstants,
  removeIdentity,
  explicitPads,
  explicitAxes,
  scalarBounds,
  foldBatchNorm,
  normalizeGemm,
  pointwiseToGemm,
  activationBeforePool,
  reduceMeanToPool,
])

/**
 * Passes that are applied when they are named: they need statistics, keep the function only within a bound that one
 * sample cannot check, or help on some machines only.
 */
export const optionalPasses: readonly Pass[] = listed([
  freezeInputs,
  foldDeadChannels,
  shortcutToConv,
  openHeads,
  explicitBiases,
  equalizePass,
  equalizeClassicPass,
  absorbBiasPass,
])

/** Throws when two passes have the same name. */
export function listed<P extends Pass>(list: readonly P[]): readonly P[] {
  const names = new Set<string>()
  for (const { name } of list) {
    if (names.has(name)) throw new Error(`pass "${name}" is listed twice`)
    names.add(name)
  }
  return list
}

/** What quantisation, compression and training begin with: they compute in float32. */
export const workingPasses: readonly Rewrite[] = listed(
  passes.flatMap((pass) => (pass === inlineFunctions ? [pass, float32Inside] : [pass])),
)

/** What `rewrite` does when no pass is named: the passes, and what is only right at the very end. */
export const rewritePasses: readonly Rewrite[] = listed([...passes, storeOnce])

/** Every pass that there is. */
export const allPasses: readonly Pass[] = listed([...workingPasses, storeOnce, ...optionalPasses])

/**
 * The pass of a name, as in recipes and on the command line.
 * @throws UsageError for an unknown name, with the nearest known one
 */
export function passNamed(name: string): Pass {
  const found = allPasses.find((pass) => pass.name === name)
  if (found) return found
  const names = allPasses.map((pass) => pass.name)
  const nearest = nearestWord(name, names)
  const hint = nearest === undefined ? `the passes are ${names.join(', ')}` : `did you mean "${nearest}"?`
  throw new UsageError(`there is no pass "${name}"; ${hint}`)
}
