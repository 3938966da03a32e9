// Adam with decoupled weight decay (Kingma & Ba, arXiv 1412.6980; Loshchilov & Hutter, arXiv 1711.05101).
import type { Parameter } from './maps.ts'

const MEAN_DECAY = 0.9
const SQUARE_DECAY = 0.99
const EPSILON = 1e-8

/** Keeps the moments of the gradients of `parameters` from step to step. */
export class Adam {
  readonly #parameters: readonly Parameter[]
  readonly #means: readonly Float32Array[]
  readonly #squares: readonly Float32Array[]
  readonly #weightDecay: number
  #steps = 0

  constructor(parameters: readonly Parameter[], weightDecay: number) {
    this.#parameters = parameters
    this.#means = parameters.map(({ value }) => new Float32Array(value.length))
    this.#squares = parameters.map(({ value }) => new Float32Array(value.length))
    this.#weightDecay = weightDecay
  }

  /** Moves every parameter against its gradient, at most by about `rate` an element, and clears the gradients. */
  step(rate: number): void {
    this.#steps++
    const meanBias = 1 - MEAN_DECAY ** this.#steps
    const squareBias = 1 - SQUARE_DECAY ** this.#steps
    for (const [index, { value, gradient, decays }] of this.#parameters.entries()) {
      const mean = this.#means[index]!
      const square = this.#squares[index]!
      const decay = decays ? rate * this.#weightDecay : 0
      for (let i = 0; i < value.length; i++) {
        const slope = gradient[i]!
        mean[i] = MEAN_DECAY * mean[i]! + (1 - MEAN_DECAY) * slope
        square[i] = SQUARE_DECAY * square[i]! + (1 - SQUARE_DECAY) * slope * slope
        const move = mean[i]! / meanBias / (Math.sqrt(square[i]! / squareBias) + EPSILON)
        value[i] = value[i]! * (1 - decay) - rate * move
      }
      gradient.fill(0)
    }
  }
}
