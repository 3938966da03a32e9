// Outlier channels: what a handful of them bring is added in float, so that the steps of all others get smaller.
import { z } from 'zod'
import {
  findOutliers,
  type Outliers,
  outlierRequests,
  separateOutliers,
  separateOutliersRule,
} from '../../../rewrite/index.ts'
import type { Candidate, Form } from '../candidate.ts'
import { gridsOf } from '../noise-grids.ts'
import type { Technique } from '../technique.ts'

/** What it must gain, in dB: every site costs a selection, a product and two sums in float. */
const LEAST = 0.5

export const separateOutliersTechnique: Technique<Outliers> = {
  name: 'separate-outliers',
  row: 'separated',
  evidence: z.record(z.string(), z.array(z.int().nonnegative())),
  requests: outlierRequests,
  paysLater: true,
  async attempt(candidate, context) {
    const { float, seen } = candidate
    const channels = await context.channels(candidate, this)
    const outliers = findOutliers(float, seen.shapes, channels, gridsOf(candidate, context.options))
    const result = separateOutliers(float, seen.shapes, candidate.statistics, outliers)
    const checked = await context.check(separateOutliersRule, result, candidate)
    if (!checked) return undefined
    const evidence = { ...candidate.evidence, [this.name]: outliers }
    return { candidate: context.candidate({ ...apart(candidate, result.apart), ...checked, evidence }), least: LEAST }
  },
  async replay(candidate, outliers, context) {
    const result = separateOutliers(candidate.float, candidate.seen.shapes, candidate.statistics, outliers)
    const checked = await context.repeat(separateOutliersRule, result, candidate)
    return context.candidate({ ...apart(candidate, result.apart), ...checked })
  },
}

function apart({ quantize, ...form }: Candidate, values: readonly string[]): Form {
  const reasons = values.map((value) => [value, 'it multiplies the outlier channels of a layer'] as const)
  return { ...form, quantize: { ...quantize, floatValues: new Map([...(quantize.floatValues ?? []), ...reasons]) } }
}
