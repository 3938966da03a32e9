// The noise that quantisation will bring, as a smooth function of the channels' factors; equalisation minimises it.
import { portable } from '../../base/index.ts'
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
  /** max_u |W[o,i,u]| of each pair. */
  readonly largest: Float32Array | Float64Array
  /** Σ_u W[o,i,u]² of each pair; absent where a pair has one weight, whose square it is. */
  readonly energy?: Float64Array | undefined
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

/** Σ_u W[o,i,u]² of a pair. */
export function pairEnergy({ largest, energy }: Pick<NoiseLayer, 'largest' | 'energy'>, at: number): number {
  return energy ? energy[at]! : largest[at]! * largest[at]!
}

/** Room for one number a pair of the largest layer: a search asks for the noise of all layers hundreds of times. */
let scratch: Float64Array = new Float64Array(0)

/** Pairs of weights and rows of a layer that a search looks at, at least. */
const PAIRS = 2 ** 15
const ROWS = 64

/**
 * Some of a large layer's rows for all of them: with a scale for each output the noise of its weights is a sum over rows, and only the
 * factors of its inputs change it.
 */
export function fewerRows(layer: NoiseLayer): NoiseLayer {
  const { outputs, inputsPerGroup: n, groups, perChannel, largest, energy } = layer
  const rows = Math.max(ROWS, Math.ceil(PAIRS / n))
  if (!perChannel || groups > 1 || rows >= outputs) return layer
  const kept = Int32Array.from({ length: rows }, (_, k) => Math.floor(((k + 0.5) * outputs) / rows))
  const thinned = (all: Float32Array | Float64Array) => {
    const some = all instanceof Float32Array ? new Float32Array(rows * n) : new Float64Array(rows * n)
    for (const [k, o] of kept.entries()) some.set(all.subarray(o * n, (o + 1) * n), k * n)
    return some
  }
  return {
    ...layer,
    outputs: rows,
    outputVariable: kept.map((o) => layer.outputVariable[o]!),
    largest: thinned(largest),
    energy: energy && Float64Array.from(thinned(energy)),
    importance: Float64Array.from(kept, (o) => (layer.importance[o]! * outputs) / rows),
  }
}

/** Keeps what nothing else decides near 0. */
const PULL = 1e-7

/**
 * ln J(u) and its gradient, u[variable] = ln s; a value is divided by s, its writer's rows too, its readers' columns multiplied.
 * J sums, over layers, the weight noise T1 (Δw²/12 on every weight; a weight below half a step rounds to 0, and its error is
 * its own square: a smooth minimum of the two) and the noise T2 of the input's grid.
 * @param rest noise that other variables decide
 */
export function noiseObjective(
  layers: readonly NoiseLayer[],
  tensors: readonly NoiseTensor[],
  variables: number,
  rest = 0,
): Objective {
  const up = new Float64Array(variables)
  const inputs = layers.map((layer) => (layer.inputSteps > 0 ? inputGrid(layer) : undefined))
  const thinned = layers.map(fewerRows)
  return (u, gradient) => {
    for (let v = 0; v < variables; v++) up[v] = portable.exp(u[v] ?? 0)
    gradient.fill(0)
    let total = rest
    for (const [index, layer] of thinned.entries()) {
      total += weightNoise(layer, up, gradient)
      const input = inputs[index]
      if (input) total += gridNoise(input, up, gradient)
    }
    for (const tensor of tensors) total += gridNoise(tensor, up, gradient)
    let pull = 0
    for (let v = 0; v < variables; v++) {
      const x = u[v] ?? 0
      pull += x * x
      gradient[v] = (gradient[v] ?? 0) / total + 2 * PULL * x
    }
    return portable.log(total) + PULL * pull
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

/** x^(1/16). Square roots are the same on every engine, powers are not. */
function root(x: number): number {
  return Math.sqrt(Math.sqrt(Math.sqrt(Math.sqrt(x))))
}

/** The factors of a layer's inputs and outputs, the largest scaled weight of each row, and of all. */
function scaledMaxima(layer: NoiseLayer, up: Float64Array) {
  const { outputs, inputsPerGroup: n, groups, largest } = layer
  const perGroup = outputs / groups
  const inputs = layer.inputVariable.length
  const scaleIn = new Float64Array(inputs)
  for (let i = 0; i < inputs; i++) scaleIn[i] = factor(up, layer.inputVariable[i])
  const scaleOut = new Float64Array(outputs)
  const rowMax = new Float64Array(outputs)
  let top = 0
  for (let o = 0; o < outputs; o++) {
    const out = factor(up, layer.outputVariable[o])
    scaleOut[o] = out
    const base = Math.floor(o / perGroup) * n
    let highest = 0
    for (let i = 0, at = o * n; i < n; i++, at++) {
      const r = largest[at]! * scaleIn[base + i]!
      if (r > highest) highest = r
    }
    rowMax[o] = highest / out
    if (highest / out > top) top = highest / out
  }
  return { scaleIn, scaleOut, rowMax, top }
}

/**
 * T1 = Σ_oi I_o s_o² V_i s_i⁻² k² · e_oi with e_oi = D·S/(D + S), D = Δ²/12, S the pair's mean square weight; all of the scaled
 * weights W·s_i/s_o. Per channel s_o cancels, and a depthwise layer has no T1.
 */
function weightNoise(layer: NoiseLayer, up: Float64Array, gradient: Float64Array): number {
  const { outputs, inputsPerGroup: n, groups, positions, perChannel, largest, energy, variance } = layer
  if (perChannel && n === 1) return 0
  const perGroup = outputs / groups
  const inputs = layer.inputVariable.length
  const { scaleIn, scaleOut, rowMax, top } = scaledMaxima(layer, up)
  if (top === 0) return 0
  // (r/reference)^p and its sums: the reference is the row's own maximum per channel, the layer's otherwise.
  if (scratch.length < outputs * n) scratch = new Float64Array(outputs * n)
  const powers = scratch
  const rowSum = new Float64Array(outputs)
  let all = 0
  for (let o = 0; o < outputs; o++) {
    const reference = perChannel ? rowMax[o]! : top
    if (reference === 0) continue
    const base = Math.floor(o / perGroup) * n
    const scale = 1 / (scaleOut[o]! * reference)
    let sum = 0
    for (let i = 0, at = o * n; i < n; i++, at++) {
      const p = power(largest[at]! * scaleIn[base + i]! * scale)
      powers[at] = p
      sum += p
    }
    rowSum[o] = sum
    all += sum
  }
  // Gains and squares of the inputs once, so that the loop over pairs is a few products and one division.
  const gains = new Float64Array(inputs)
  const squares = new Float64Array(inputs)
  for (let i = 0; i < inputs; i++) {
    const square = scaleIn[i]! * scaleIn[i]!
    squares[i] = square / positions
    gains[i] = variance[i]! / square
  }
  const gradOut = new Float64Array(outputs)
  const gradIn = new Float64Array(inputs)
  /** dT/d ln Δ of each row (per channel) or of the layer. */
  const byStep = new Float64Array(perChannel ? outputs : 1)
  let total = 0
  for (let o = 0; o < outputs; o++) {
    const peak = perChannel ? rowMax[o]! * root(rowSum[o]!) : top * root(all)
    if (peak === 0) continue
    const step = peak / layer.weightSteps
    const d = (step * step) / 12
    const square = scaleOut[o]! * scaleOut[o]!
    const weight = layer.importance[o]! * square * positions * d
    const toScaled = 1 / square
    const base = Math.floor(o / perGroup) * n
    let row = 0
    let shared = 0
    for (let i = 0, at = o * n; i < n; i++, at++) {
      const s = (energy ? energy[at]! : largest[at]! * largest[at]!) * squares[base + i]! * toScaled
      const share = s / (d + s + 1e-300)
      const noise = weight * gains[base + i]! * share
      const grown = noise * share
      row += noise
      shared += grown
      // d ln e/d ln S = D/(D + S) = 1 − share; S grows with s_i², the gain falls with it.
      gradIn[base + i]! -= 2 * grown
    }
    total += row
    gradOut[o] = 2 * shared
    byStep[perChannel ? o : 0]! += 2 * shared
  }
  for (let o = 0; o < outputs; o++) {
    const sum = perChannel ? rowSum[o]! : all
    if (sum === 0) continue
    const base = Math.floor(o / perGroup) * n
    const amount = byStep[perChannel ? o : 0]! / sum
    for (let i = 0, at = o * n; i < n; i++, at++) gradIn[base + i]! += amount * powers[at]!
    gradOut[o]! -= amount * rowSum[o]!
  }
  for (let o = 0; o < outputs; o++) add(gradient, layer.outputVariable[o], gradOut[o]!)
  for (let i = 0; i < inputs; i++) add(gradient, layer.inputVariable[i], gradIn[i]!)
  return total
}

/** T2 = Δx²/12 · Σ_i s_i² Σ_o I_o‖W_oi‖²: a layer's input as a tensor with a grid. */
function inputGrid(layer: NoiseLayer): NoiseTensor {
  const { outputs, inputsPerGroup: n, groups } = layer
  const perGroup = outputs / groups
  const cost = new Float64Array(layer.inputVariable.length)
  for (let o = 0; o < outputs; o++) {
    const base = Math.floor(o / perGroup) * n
    const importance = layer.importance[o]!
    for (let i = 0, at = o * n; i < n; i++, at++) cost[base + i]! += importance * pairEnergy(layer, at)
  }
  return { variable: layer.inputVariable, magnitude: layer.magnitude, importance: cost, steps: layer.inputSteps }
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
  const step = (top * root(sum)) / steps
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
  const up = u.map((x) => portable.exp(x))
  const ignored = new Float64Array(u.length)
  return Float64Array.from(
    layers,
    (layer) => weightNoise(layer, up, ignored) + (layer.inputSteps > 0 ? gridNoise(inputGrid(layer), up, ignored) : 0),
  )
}
