// AdaRound's relaxation of rounding up or down (arXiv 2004.10568, section 3.2): a rectified sigmoid and its regulariser.

/** Stretch of the sigmoid: h reaches 0 and 1 at finite V. */
export const ZETA = 1.1
export const GAMMA: number = -0.1

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v))

/** h(V) = clip(σ(V)(ζ − γ) + γ, 0, 1): the share by which a weight is rounded up. */
export function rectifiedSigmoid(v: number): number {
  return Math.min(Math.max(sigmoid(v) * (ZETA - GAMMA) + GAMMA, 0), 1)
}

/** h'(V); 0 where h is clipped. */
export function rectifiedSigmoidSlope(v: number): number {
  const s = sigmoid(v)
  const h = s * (ZETA - GAMMA) + GAMMA
  return h > 0 && h < 1 ? (ZETA - GAMMA) * s * (1 - s) : 0
}

/** The V whose h is the fraction of a weight above its lower code. */
export function inverseOf(fraction: number): number {
  return -Math.log((ZETA - GAMMA) / (fraction - GAMMA) - 1)
}

/** Σ 1 − |2h − 1|^β: 0 when every h is 0 or 1. */
export function regularizer(values: ArrayLike<number>, beta: number): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += 1 - Math.abs(2 * rectifiedSigmoid(values[i]!) - 1) ** beta
  return sum
}

/** Its derivative at one V. */
export function regularizerSlope(v: number, beta: number): number {
  const distance = 2 * rectifiedSigmoid(v) - 1
  if (distance === 0) return 0
  return -2 * beta * Math.abs(distance) ** (beta - 1) * Math.sign(distance) * rectifiedSigmoidSlope(v)
}

export interface BetaSchedule {
  readonly iterations: number
  /** Share of the iterations without regulariser. */
  readonly warmStart: number
  readonly from: number
  readonly to: number
}

/** β at an iteration, falling as half a cosine; undefined during the warm start. */
export function betaAt(step: number, { iterations, warmStart, from, to }: BetaSchedule): number | undefined {
  const start = warmStart * iterations
  if (step < start) return undefined
  const share = (step - start) / (iterations - start)
  return to + 0.5 * (from - to) * (1 + Math.cos(share * Math.PI))
}
