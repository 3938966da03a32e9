// Random weights to start from.
import type { Random } from '../src/math/index.ts'

/** Normal numbers whose variance keeps that of the activations (He et al., arXiv 1502.01852). */
export function initialWeights(random: Random, count: number, fanIn: number): Float32Array {
  const deviation = Math.sqrt(2 / fanIn)
  return Float32Array.from({ length: count }, () => deviation * random.normal())
}
