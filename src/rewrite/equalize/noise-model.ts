// The noise that quantisation will bring, as a smooth function of the channels' factors; equalisation minimises it.
import type { Objective } from '../../math/index.ts'

/**
 * One layer as the noise model sees it. Pairs (output, input) inside a group are row-major in `largest` and `energy`.
 * Variables are numbers of channels; a number of −1 is a channel that keeps its scale.
 */
export interface NoiseLayer {
  readonly name: string
  readonly groups: number
  readonly outputs: number
  readonly inputsPerGroup: number
  /** Variable of each output channel and of each input channel over all groups. */
  readonly outputVariable: Int32Array
  readonly inputVariable: Int32Array
  /** max_u |W[o,i,u]| and Σ_u W[o,i,u]² of each pair. */
  readonly largest: Float64Array
  readonly energy: Float64Array
  /** Kernel positions. */
  readonly positions: number
  /** Importance of each output channel: what a unit of noise there costs, relative to the signal. */
  readonly importance: Float64Array
  /** Variance and largest magnitude of each input channel. */
  readonly variance: Float64Array
  readonly magnitude: Float64Array
  /** Steps of the weight grid (2^(b−1) − 1), and whether it has one scale an output channel. */
  readonly weightSteps: number
  readonly perChannel: boolean
  /** Steps of the input's grid over [0, magnitude] (or ±magnitude); 0 when the input stays float. */
  readonly inputSteps: number
}

/** A tensor with a grid that no layer reads directly: an operand of a residual Add. */
export interface NoiseTensor {
  readonly variable: Int32Array
  readonly magnitude: Float64Array
  readonly importance: Float64Array
  readonly steps: number
}

/** Maxima are p-norms, so that the model is smooth. */
const P = 16
/** Keeps what nothing else decides near 0. */
const PULL = 1e-7

/**
 * ln J(u) and its gradient, u[variable] = ln s; a value is divided by s, its writer's rows too, its readers' columns multiplied.
 * J sums, over layers, the weight noise T1 (Δw²/12 on every weight; a weight below half a step rounds to 0, and its error is
 * its own square: a smooth minimum of the two) and the noise T2 of the input's grid.
 */
export function noiseObjective(
  layers: readonly NoiseLayer[],
  tensors: readonly NoiseTensor[],
  variables: number,
): Objective {
  const up = new Float64Array(variables)
  return (u, gradient) => {
    for (let v = 0; v < variables; v++) up[v] = Math.exp(u[v] ?? 0)
    gradient.fill(0)
    let total = 0
    for (const layer of layers) {
      total += weightNoise(layer, up, gradient)
      if (layer.inputSteps > 0) total += inputNoise(layer, up, gradient)
    }
    for (const tensor of tensors) total += gridNoise(tensor, up, gradient)
    let pull = 0
    for (let v = 0; v < variables; v++) {
      const x = u[v] ?? 0
      pull += x * x
      gradient[v] = (gradient[v] ?? 0) / total + 2 * PULL * x
    }
    return Math.log(total) + PULL * pull
  }
}

const factor = (up: Float64Array, variable: number | undefined) =>
  variable === undefined || variable < 0 ? 1 : (up[variable] ?? 1)

function add(gradient: Float64Array, variable: number | undefined, amount: number): void {
  if (variable !== undefined && variable >= 0) gradient[variable] = (gradient[variable] ?? 0) + amount
}

/** x^16 by squaring. */
function power(x: number): number {
  const four = x * x * x * x
  return four * four * four * four
}

/**
 * T1 = Σ_oi I_o s_o² V_i s_i⁻² k² · e_oi with e_oi = D·S/(D + S), D = Δ²/12, S the pair's mean square weight; all of the scaled
 * weights W·s_i/s_o. Per channel s_o cancels, and a depthwise layer has no T1.
 */
function weightNoise(layer: NoiseLayer, up: Float64Array, gradient: Float64Array): number {
  const { outputs, inputsPerGroup: n, groups, positions, perChannel } = layer
  if (perChannel && n === 1) return 0
  const perGroup = outputs / groups
  const inFactor = layer.inputVariable.length
  const scaleIn = new Float64Array(inFactor)
  for (let i = 0; i < inFactor; i++) scaleIn[i] = factor(up, layer.inputVariable[i])
  const rows = new Float64Array(outputs)
  const rowMax = new Float64Array(outputs)
  const scaleOut = new Float64Array(outputs)
  let top = 0
  for (let o = 0; o < outputs; o++) {
    const out = factor(up, layer.outputVariable[o])
    scaleOut[o] = out
    const base = Math.floor(o / perGroup) * n
    let largest = 0
    for (let i = 0; i < n; i++) {
      const r = (layer.largest[o * n + i] ?? 0) * (scaleIn[base + i] ?? 1)
      if (r > largest) largest = r
    }
    rowMax[o] = largest / out
    if (largest / out > top) top = largest / out
  }
  if (top === 0) return 0
  // Sums of (r/reference)^p: the reference is the row's own maximum per channel, the layer's otherwise.
  let all = 0
  for (let o = 0; o < outputs; o++) {
    const reference = perChannel ? (rowMax[o] ?? 0) : top
    if (reference === 0) continue
    const base = Math.floor(o / perGroup) * n
    const scale = 1 / ((scaleOut[o] ?? 1) * reference)
    let sum = 0
    for (let i = 0; i < n; i++) sum += power((layer.largest[o * n + i] ?? 0) * (scaleIn[base + i] ?? 1) * scale)
    rows[o] = sum
    all += sum
  }
  let total = 0
  const gradOut = new Float64Array(outputs)
  const gradIn = new Float64Array(inFactor)
  /** dT/d ln Δ of each row (per channel) or of the layer. */
  const byStep = new Float64Array(perChannel ? outputs : 1)
  for (let o = 0; o < outputs; o++) {
    const peak = perChannel ? (rowMax[o] ?? 0) * (rows[o] ?? 0) ** (1 / P) : top * all ** (1 / P)
    if (peak === 0) continue
    const step = peak / layer.weightSteps
    const d = (step * step) / 12
    const out = scaleOut[o] ?? 1
    const weight = (layer.importance[o] ?? 0) * out * out * positions
    const base = Math.floor(o / perGroup) * n
    let row = 0
    let stepGradient = 0
    for (let i = 0; i < n; i++) {
      const into = scaleIn[base + i] ?? 1
      const ratio = into / out
      const s = ((layer.energy[o * n + i] ?? 0) / positions) * ratio * ratio
      const gain = (weight * (layer.variance[base + i] ?? 0)) / (into * into)
      const share = s / (d + s || 1)
      const noise = gain * d * share
      row += noise
      stepGradient += 2 * noise * share
      // d ln e/d ln S = D/(D + S) = 1 − share; S grows with s_i² and falls with s_o².
      const bySize = 2 * noise * (1 - share)
      gradIn[base + i] = (gradIn[base + i] ?? 0) + bySize - 2 * noise
      gradOut[o] = (gradOut[o] ?? 0) + 2 * noise - bySize
    }
    total += row
    byStep[perChannel ? o : 0] = (byStep[perChannel ? o : 0] ?? 0) + stepGradient
  }
  for (let o = 0; o < outputs; o++) {
    const reference = perChannel ? (rowMax[o] ?? 0) : top
    const sum = perChannel ? (rows[o] ?? 0) : all
    if (reference === 0 || sum === 0) continue
    const base = Math.floor(o / perGroup) * n
    const scale = 1 / ((scaleOut[o] ?? 1) * reference)
    const amount = (byStep[perChannel ? o : 0] ?? 0) / sum
    for (let i = 0; i < n; i++) {
      const share = amount * power((layer.largest[o * n + i] ?? 0) * (scaleIn[base + i] ?? 1) * scale)
      gradIn[base + i] = (gradIn[base + i] ?? 0) + share
      gradOut[o] = (gradOut[o] ?? 0) - share
    }
  }
  for (let o = 0; o < outputs; o++) add(gradient, layer.outputVariable[o], gradOut[o] ?? 0)
  for (let i = 0; i < inFactor; i++) add(gradient, layer.inputVariable[i], gradIn[i] ?? 0)
  return total
}

/** T2 = Δx²/12 · Σ_i s_i² Σ_o I_o‖W_oi‖². */
function inputNoise(layer: NoiseLayer, up: Float64Array, gradient: Float64Array): number {
  const { outputs, inputsPerGroup: n, groups } = layer
  const perGroup = outputs / groups
  const cost = new Float64Array(layer.inputVariable.length)
  for (let o = 0; o < outputs; o++) {
    const base = Math.floor(o / perGroup) * n
    const importance = layer.importance[o] ?? 0
    for (let i = 0; i < n; i++) cost[base + i] = (cost[base + i] ?? 0) + importance * (layer.energy[o * n + i] ?? 0)
  }
  return gridNoise(
    { variable: layer.inputVariable, magnitude: layer.magnitude, importance: cost, steps: layer.inputSteps },
    up,
    gradient,
  )
}

/** Δ²/12 · Σ_c s_c² I_c with Δ = max_c(a_c/s_c)/steps. */
function gridNoise(
  { variable, magnitude, importance, steps }: NoiseTensor,
  up: Float64Array,
  gradient: Float64Array,
): number {
  let top = 0
  for (let c = 0; c < variable.length; c++) top = Math.max(top, (magnitude[c] ?? 0) / factor(up, variable[c]))
  if (top === 0) return 0
  let sum = 0
  let energy = 0
  for (let c = 0; c < variable.length; c++) {
    const s = factor(up, variable[c])
    sum += power((magnitude[c] ?? 0) / s / top)
    energy += s * s * (importance[c] ?? 0)
  }
  const step = (top * sum ** (1 / P)) / steps
  const d = (step * step) / 12
  const noise = d * energy
  for (let c = 0; c < variable.length; c++) {
    const s = factor(up, variable[c])
    const share = power((magnitude[c] ?? 0) / s / top) / sum
    add(gradient, variable[c], 2 * d * s * s * (importance[c] ?? 0) - 2 * noise * share)
  }
  return noise
}

/** The modelled noise of each layer at some factors: what the choice of freed caps weighs. */
export function layerNoise(layers: readonly NoiseLayer[], u: Float64Array): Float64Array {
  const up = u.map(Math.exp)
  const ignored = new Float64Array(u.length)
  return Float64Array.from(
    layers,
    (layer) => weightNoise(layer, up, ignored) + (layer.inputSteps > 0 ? inputNoise(layer, up, ignored) : 0),
  )
}
