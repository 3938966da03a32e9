// One sequential pass over the layers: second-order rounding, then the bias, both against the float stream.
import type { Watch } from '../../base/index.ts'
import { type Spill, type Stop, type WalkVisitor, walk } from '../../calibrate/index.ts'
import { type Products, randomStream } from '../../math/index.ts'
import { isOp, type Layer, type Model, nodeName, type Shapes } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import { biasAddOf, consumersIn } from '../bias-add.ts'
import type { Plan } from '../plan.ts'
import type { RoundingProblem } from '../rounding/optimize.ts'
import { roundLayerAt } from '../rounding/round-layer.ts'
import { type BiasCorrection, correctBiasAt } from './correct-bias.ts'
import { slotsOf } from './slots.ts'

export interface CorrectOptions extends Watch {
  readonly shapes: Shapes
  readonly bias: boolean
  /** Second-order rounding of layers, after a refit of their weights to the quantised stream. */
  readonly rounding?: {
    readonly products: Products
    readonly optimize?: (problem: RoundingProblem) => Float64Array | Promise<Float64Array>
  }
  readonly seed: number
  /** Does a batch only judge, and take no part in what is fitted? */
  readonly held?: (batch: number) => boolean
  readonly spill?: Spill
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
  /** With the scales that rounding chose. */
  readonly plan: Plan
  readonly layers: readonly LayerCorrection[]
}

/**
 * Walks the float model and the Q/DQ model side by side and corrects layer after layer, with activations already quantised and
 * every earlier layer corrected. Each network runs once, whatever its depth.
 */
export async function correctLayers(
  runtime: Runtime,
  float: Model,
  quantized: Model,
  plan: Plan,
  batches: readonly Values[],
  options: CorrectOptions,
): Promise<Corrected> {
  const { held = () => false } = options
  const slots = slotsOf(quantized)
  const shared = sharedWeights(slots)
  const layers = new Map<string, Layer>()
  for (const [node, layer] of plan.placement.layers) if (slots.has(nodeName(node))) layers.set(nodeName(node), layer)
  const floatValue = floatOutputs(float, layers)
  const stops: Stop[] = float.graph.nodes
    .filter((node) => layers.has(nodeName(node)))
    .map((node) => ({
      name: nodeName(node),
      value: floatValue.get(nodeName(node)) ?? '',
      changedValue: slots.get(nodeName(node))?.output ?? '',
    }))
  const weights = new Map(plan.weights)
  const done: LayerCorrection[] = []
  const visitor: WalkVisitor = {
    visit: async (view) => {
      const layer = layers.get(view.name)
      const own = slots.get(view.name)
      const params = layer && weights.get(layer.node)
      if (!layer || !own || !params) return
      const { rounding } = options
      let plainRounding: string | undefined
      if (rounding) {
        const input = plan.activations.get(layer.node.inputs[0] ?? '')?.params.scale[0]
        const result = shared.has(own.codes)
          ? 'its weight is shared with another layer'
          : await roundLayerAt(view, layer, own, params, {
              products: rounding.products,
              random: randomStream(options.seed, `rounding ${view.name}`),
              bits: plan.weightBits.get(layer.node) ?? 8,
              ...(rounding.optimize ? { optimize: rounding.optimize } : {}),
              ...(input === undefined ? {} : { inputScale: input }),
              used: (batch) => !held(batch),
            })
        if (typeof result === 'string') plainRounding = result
        else weights.set(layer.node, result)
      }
      const place = isOp(layer.node, 'Conv', 'ConvTranspose') ? 'second' : 'last'
      const bias = options.bias ? await correctBiasAt(view, own, place, held) : undefined
      done.push({ name: view.name, ...(bias ? { bias } : {}), ...(plainRounding ? { plainRounding } : {}) })
    },
  }
  const model = await walk(runtime, float, quantized, stops, batches, visitor, {
    shapes: options.shapes,
    step: options.rounding ? 'round' : 'correct',
    progress: options.progress,
    signal: options.signal,
    ...(options.spill ? { spill: options.spill } : {}),
  })
  return { model, plan: { ...plan, weights }, layers: done }
}

/** Codes that several layers use. */
function sharedWeights(slots: ReturnType<typeof slotsOf>): Set<string> {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const { codes } of slots.values()) (seen.has(codes) ? twice : seen).add(codes)
  return twice
}

/** Pre-activation outputs in the float model: behind the constant Add for a MatMul with one. */
function floatOutputs(float: Model, layers: ReadonlyMap<string, Layer>): Map<string, string> {
  const consumers = consumersIn(float.graph.nodes)
  return new Map(
    [...layers].map(([name, { node }]) => {
      const added = biasAddOf(node, consumers, (constant) => float.graph.initializers.get(constant))
      return [name, (added?.add ?? node).outputs[0] ?? '']
    }),
  )
}
