// What every technique that writes biases needs first: a bias on each layer.
import { explicitBiases } from '../../../rewrite/index.ts'
import type { Form } from '../candidate.ts'
import type { SearchContext } from '../technique.ts'

/** Under this name in the evidence. */
export const EXPLICIT_BIASES = 'explicit-biases'

/** The form with a bias on every layer, where a technique of this search writes one, or did when its evidence was stored. */
export async function withExplicitBiases<F extends Form>(form: F, context: SearchContext): Promise<F> {
  const { source, options } = context
  const wanted = source.stored ? EXPLICIT_BIASES in source.stored : options.techniques.some((each) => each.writesBiases)
  if (!wanted) return form
  const { float, seen, statistics } = form
  const result = explicitBiases.apply(float, { shapes: seen.shapes, statistics })
  const checked = source.stored
    ? await context.repeat(explicitBiases, result, form)
    : await context.check(explicitBiases, result, form)
  return checked
    ? { ...form, ...checked, statistics: result.statistics, evidence: { ...form.evidence, [EXPLICIT_BIASES]: true } }
    : form
}
