// Bias correction: what quantisation shifts on average is taken out, measured on samples, or by formula without them.
import { correctBiasAnalytic } from '../../../quantize/index.ts'
import type { Candidate } from '../candidate.ts'
import type { SearchContext, Technique } from '../technique.ts'
import { walkUp } from '../walk-up.ts'

export const correctBias: Technique = {
  name: 'correct-bias',
  row: 'corrected',
  writesBiases: true,
  triesRival: true,
  async attempt(candidate, context) {
    const corrected = context.source.samples
      ? await walkUp(candidate, context, { rounding: false, everything: false })
      : await byFormula(candidate, context)
    return { candidate: corrected }
  },
}

/** The grids stay those that the correction was computed for. */
async function byFormula(candidate: Candidate, context: SearchContext): Promise<Candidate> {
  const { plan } = await candidate.built()
  const { float, statistics, seen } = candidate
  const { model, left } = correctBiasAnalytic(float, plan.weights, statistics, seen.shapes)
  if (left.length > 0)
    context.notes.push(`${left.length} biases were not corrected: ${left[0]?.name}: ${left[0]?.reason}`)
  return context.candidate({ ...candidate, float: model })
}
