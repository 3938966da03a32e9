// Expectations of functions of a Gaussian by Gauss–Hermite quadrature, for activations that have no closed form.
import { portable } from '../base/index.ts'

interface Rule {
  readonly nodes: Float64Array
  readonly weights: Float64Array
}

const NODES = 64

let rule: Rule | undefined

/** Nodes z and weights w with E[f(Z)] ≈ Σ w·f(z) for Z standard normal; exact for polynomials up to degree 2n − 1. */
export function gaussHermite(n: number): { readonly nodes: Float64Array; readonly weights: Float64Array } {
  const nodes = new Float64Array(n)
  const weights = new Float64Array(n)
  // Newton on the orthonormal Hermite polynomial of the weight portable.exp(−x²), from the usual guesses; z = √2·x.
  let x = 0
  for (let i = 0; i < Math.ceil(n / 2); i++) {
    if (i === 0) x = Math.sqrt(2 * n + 1) - 1.85575 * portable.exp(-portable.log(2 * n + 1) / 6)
    else if (i === 1) x -= (1.14 * portable.exp(0.426 * portable.log(n))) / x
    else if (i === 2) x = 1.86 * x - (0.86 * (nodes[0] ?? 0)) / Math.SQRT2
    else if (i === 3) x = 1.91 * x - (0.91 * (nodes[1] ?? 0)) / Math.SQRT2
    else x = 2 * x - (nodes[i - 2] ?? 0) / Math.SQRT2
    let slope = 1
    for (let step = 0; step < 50; step++) {
      let [previous, value] = [0, 1 / Math.sqrt(Math.sqrt(Math.PI))]
      for (let k = 0; k < n; k++)
        [previous, value] = [value, x * Math.sqrt(2 / (k + 1)) * value - Math.sqrt(k / (k + 1)) * previous]
      slope = Math.sqrt(2 * n) * previous
      const move = value / slope
      x -= move
      if (Math.abs(move) < 1e-15 * Math.max(1, Math.abs(x))) break
    }
    nodes[i] = x * Math.SQRT2
    nodes[n - 1 - i] = -x * Math.SQRT2
    weights[i] = weights[n - 1 - i] = 2 / (slope * slope) / Math.sqrt(Math.PI)
  }
  return { nodes, weights }
}

/** Mean and second moment of f(X), X normal, with 64 nodes. */
export function gaussianMoments(
  mean: number,
  deviation: number,
  f: (x: number) => number,
): { mean: number; secondMoment: number } {
  rule ??= gaussHermite(NODES)
  const { nodes, weights } = rule
  let [first, second] = [0, 0]
  for (const [i, node] of nodes.entries()) {
    const y = f(mean + deviation * node)
    const weight = weights[i] ?? 0
    first += weight * y
    second += weight * y * y
  }
  return { mean: first, secondMoment: second }
}
