// One sequential pass over the layers: their biases, or second-order rounding and then their biases, against the float stream.
import { type Products, randomStream } from '../../math/index.ts'
import type { Layer, Model } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { Plan } from '../plan.ts'
import type { RoundingProblem } from '../rounding/problem.ts'
import { roundLayerAt } from '../rounding/round-layer.ts'
import { type BiasCorrection, correctBiasAt } from './correct-bias.ts'
import type { ChannelPlace } from './mean-shift.ts'
import type { PlannedPair, QuantizedPair } from './quantized-pair.ts'
import { type VisitOptions, visitLayers } from './visit-layers.ts'

export interface RoundOptions extends VisitOptions {
  readonly products: Products
  readonly seed: number
  /** How codes are found for scales that are fixed; default: GPTQ and coordinate descent. */
  readonly optimize?: (problem: RoundingProblem) => Float64Array | Promise<Float64Array>
}

/** What was corrected of one layer. */
export interface LayerCorrection {
  readonly name: string
  readonly bias?: BiasCorrection
  /** Why the layer kept plain rounding. */
  readonly plainRounding?: string
}

export interface Corrected {
  readonly model: Model
  readonly layers: readonly LayerCorrection[]
}

export interface Rounded extends Corrected {
  /** With the scales that rounding chose. */
  readonly plan: Plan
}

/**
 * Empirical bias correction of a written Q/DQ model (arXiv 1906.04721, section 4.2): every layer gets the mean that its float
 * counterpart has on the samples, with activations quantised and all earlier layers corrected. Layers are found by their
 * names; each network runs once, whatever its depth.
 * @example
 * ```ts
 * const quantized = insertQdq(float, plan)
 * const { model, layers } = await correctBias(runtime, { float, quantized }, [feeds], { shapes })
 * console.log(layers.filter(({ bias }) => bias !== undefined).length)
 * ```
 */
export async function correctBias(
  runtime: Runtime,
  pair: QuantizedPair,
  batches: readonly Values[],
  options: VisitOptions,
): Promise<Corrected> {
  const layers: LayerCorrection[] = []
  const through = { ...options, step: 'correct', batches }
  const model = await visitLayers(runtime, pair, through, async (at) => {
    const bias = await correctBiasAt(at, placeOf(at.layer), options.validation ?? never)
    layers.push({ name: at.view.name, ...(bias ? { bias } : {}) })
  })
  return { model, layers }
}

/**
 * Rounds the layers of a written Q/DQ model anew, each after a refit of its weights to the quantised stream, and corrects their
 * biases. Each network runs once, whatever its depth.
 * @example
 * ```ts
 * const quantized = insertQdq(float, plan)
 * const options = { shapes, products: plainProducts, seed: 0 }
 * const { model, plan: rounded } = await roundAndCorrect(runtime, { float, quantized, plan }, [feeds], options)
 * ```
 */
export async function roundAndCorrect(
  runtime: Runtime,
  { plan, ...pair }: PlannedPair,
  batches: readonly Values[],
  options: RoundOptions,
): Promise<Rounded> {
  const { validation = never, products, seed, optimize } = options
  const weights = new Map(plan.weights)
  const layers: LayerCorrection[] = []
  const through = { ...options, step: 'round', batches }
  const model = await visitLayers(runtime, pair, through, async (at) => {
    const { view, layer, slots } = at
    const params = weights.get(layer.name)
    if (!params) return
    const input = plan.activations.get(layer.node.inputs[0] ?? '')?.params.scale[0]
    const result = at.shared
      ? 'its weight is shared with another layer'
      : await roundLayerAt(at, params, {
          products,
          random: randomStream(seed, `rounding ${view.name}`),
          bits: plan.weightBits.get(layer.name) ?? 8,
          ...(optimize ? { optimize } : {}),
          ...(input === undefined ? {} : { inputScale: input }),
          used: (batch) => !validation(batch),
        })
    if (typeof result !== 'string') weights.set(layer.name, result)
    const bias = await correctBiasAt({ view, slots }, placeOf(layer), validation)
    layers.push({
      name: view.name,
      ...(bias ? { bias } : {}),
      ...(typeof result === 'string' ? { plainRounding: result } : {}),
    })
  })
  return { model, plan: { ...plan, weights }, layers }
}

const never = () => false

/** Where the output's channels lie. */
function placeOf({ facts }: Layer): ChannelPlace {
  return facts.window ? 'second' : 'last'
}
