// The techniques that a quantisation can try, by the words of the recipe.
import { UsageError } from '../../base/index.ts'
import { type TechniqueName, techniqueNames } from '../../recipe/index.ts'

export { type TechniqueName, TUNING_SAMPLES, techniqueNames } from '../../recipe/index.ts'

/** What is tried when nothing is named: absorption never paid in trials, rounding pays where one scale serves a whole weight. */
export function defaultTechniques(recipe: {
  readonly weights: 'per-channel' | 'per-tensor'
  readonly weightBits: 8 | 4
  readonly effort: 'fast' | 'default' | 'high'
  readonly mode: 'static' | 'dynamic' | 'weights'
}): readonly TechniqueName[] {
  if (recipe.effort === 'fast' || recipe.mode === 'weights') return []
  const rounds = recipe.weights === 'per-tensor' || recipe.weightBits < 8 || recipe.effort === 'high'
  // Few bits, or one scale for a whole weight, make every layer loud: what stays float is then the person's to say.
  const spares = recipe.weightBits === 8 && recipe.weights === 'per-channel'
  return [
    'fold-dead-channels',
    'separate-outliers',
    'equalize',
    ...(spares ? (['keep-float'] as const) : []),
    'correct-bias',
    ...(rounds ? (['optimize-rounding'] as const) : []),
  ]
}

/** @throws UsageError for an unknown word */
export function parseTechniques(words: readonly string[]): readonly TechniqueName[] {
  const known: readonly string[] = techniqueNames
  for (const word of words)
    if (!known.includes(word) && word !== 'none')
      throw new UsageError(`there is no technique "${word}"; the techniques are ${techniqueNames.join(', ')} and none`)
  return techniqueNames.filter((name) => words.includes(name))
}
