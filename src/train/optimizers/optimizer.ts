// Optimisers change arrays in place. Each is a plain object; its moments are arrays of the parameter's size.

/** float32 in training; float64 works too. */
export type Floats = Float32Array | Float64Array

export interface Step {
  /** Learning rate η of this step. */
  readonly rate: number
  /** Weight decay λ; 0 for biases, normalisations and scales. */
  readonly decay: number
  /** Number of this step, from 1. */
  readonly step: number
}

export interface Optimizer {
  readonly name: string
  /** Arrays that it keeps for each parameter. */
  readonly moments: number
  /** Changes `values` and `moments` by one step along `gradient`. */
  readonly update: (values: Floats, gradient: Floats, moments: readonly Floats[], step: Step) => void
  /**
   * Weights that are matrices have one moment, the velocity, which this changes in place. What it gives is made orthogonal, with
   * elements of root mean square 1, and the weight follows that instead of `update`.
   */
  readonly direction?: (gradient: Float32Array, velocity: Float32Array) => Float32Array
}

/** v ← μ·v + g + λ·w, w ← w − η·v; Nesterov: w ← w − η·(g + λ·w + μ·v). */
export function sgd({ momentum = 0, nesterov = false }: { momentum?: number; nesterov?: boolean } = {}): Optimizer {
  return {
    name: momentum === 0 ? 'sgd' : nesterov ? 'nesterov' : 'momentum',
    moments: momentum === 0 ? 0 : 1,
    update: (values, gradient, [velocity], { rate, decay }) => {
      for (let i = 0; i < values.length; i++) {
        const w = values[i]!
        const g = gradient[i]! + decay * w
        if (!velocity) {
          values[i] = w - rate * g
          continue
        }
        const v = momentum * velocity[i]! + g
        velocity[i] = v
        values[i] = w - rate * (nesterov ? g + momentum * v : v)
      }
    },
  }
}

export interface AdamOptions {
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
  /** Decay of the weight itself (AdamW, arXiv 1711.05101) instead of through the gradient. */
  readonly decoupled?: boolean
}

/** Adam (arXiv 1412.6980, algorithm 1): w ← w − η·m̂/(√û + ε). */
export function adam(options: AdamOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decoupled = false } = options
  return {
    name: decoupled ? 'adamw' : 'adam',
    moments: 2,
    update: (values, gradient, [first, second], { rate, decay, step }) => {
      if (!first || !second) return
      const size = rate / (1 - beta1 ** step)
      const root = 1 / Math.sqrt(1 - beta2 ** step)
      const shrink = decoupled ? 1 - rate * decay : 1
      const through = decoupled ? 0 : decay
      for (let i = 0; i < values.length; i++) {
        const w = values[i]!
        const g = gradient[i]! + through * w
        const m = beta1 * first[i]! + (1 - beta1) * g
        const u = beta2 * second[i]! + (1 - beta2) * g * g
        first[i] = m
        second[i] = u
        values[i] = w * shrink - (size * m) / (Math.sqrt(u) * root + epsilon)
      }
    },
  }
}

/**
 * Muon (Jordan et al. 2024): a matrix goes along its Nesterov momentum made orthogonal, so all directions of a layer learn at one
 * pace, however unequal their gradients are; biases, scales and single filters take steps of Adam.
 */
export function muon({ momentum = 0.95, ...options }: AdamOptions & { readonly momentum?: number } = {}): Optimizer {
  return {
    ...adam(options),
    name: 'muon',
    direction: (gradient, velocity) => {
      const along = new Float32Array(gradient.length)
      for (let i = 0; i < along.length; i++) {
        const v = momentum * velocity[i]! + gradient[i]!
        velocity[i] = v
        along[i] = gradient[i]! + momentum * v
      }
      return along
    },
  }
}

/** √Σ g² over all gradients, in float64; not finite when any of them is not. */
export function globalNorm(gradients: Iterable<Floats>): number {
  let sum = 0
  for (const gradient of gradients) for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!
  return Math.sqrt(sum)
}
