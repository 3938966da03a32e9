// The techniques that a quantisation can try, by the words of the recipe.
import type { TechniqueName } from '../../recipe/index.ts'

/** What is tried when nothing is named: absorption never paid in trials, rounding pays where one scale serves a whole weight. */
export function defaultTechniques(recipe: {
  readonly weights: 'per-channel' | 'per-tensor'
  readonly weightBits: 8 | 4
  readonly effort: 'fast' | 'default' | 'high'
  readonly mode: 'static' | 'dynamic' | 'weights' | 'float16'
}): readonly TechniqueName[] {
  if (recipe.effort === 'fast' || recipe.mode === 'weights' || recipe.mode === 'float16') return []
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
