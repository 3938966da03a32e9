// Codes by second order: rounded one after the other so that the layer's output keeps what the float one had, biases corrected after.
import type { Technique } from '../technique.ts'
import { walkUp } from '../walk-up.ts'

export const optimizeRounding: Technique = {
  name: 'optimize-rounding',
  row: 'rounded',
  writesBiases: true,
  // With few bits the codes decide, and what equalisation is worth shows only once they are chosen well.
  triesRival: true,
  async attempt(candidate, context) {
    if (!context.source.samples) return undefined
    return { candidate: await walkUp(candidate, context, { rounding: true, everything: false }) }
  },
  // What was decided stands; codes and refitted weights now learn from the judge's samples too.
  relearn: (candidate, context) => walkUp(candidate, context, { rounding: true, everything: true }),
}
