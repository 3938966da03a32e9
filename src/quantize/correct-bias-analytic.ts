// Analytic bias correction: what weight grids shift on average is taken out of the biases, without data.
import { fakeQuantize, type QuantParams } from '../math/index.ts'
import {
  floatAttr,
  GraphEditor,
  hasOpenBias,
  isOp,
  type Layer,
  layersOf,
  type Model,
  type Node,
  nodeName,
  type Shapes,
  type Statistics,
  type Tensor,
  type ViewedLayer,
} from '../onnx/index.ts'
import { doublesOf, floatTensor } from '../rewrite/index.ts'
import { tapShares } from './expectation/inside.ts'
import { channelMoments } from './expectation/moments.ts'

/** What became of one layer's bias. */
export interface CorrectedBias {
  readonly name: string
  /** Shift of each output channel that was taken out: mean of the quantised minus the float pre-activation. */
  readonly shift: Float64Array
  /** A variance on the way was found as if channels were independent of each other. */
  readonly approximate: boolean
}

export interface AnalyticCorrection {
  /** The float model with corrected biases: right only under the given weight grids. */
  readonly model: Model
  readonly corrected: readonly CorrectedBias[]
  /** Layers whose biases were left, and why. */
  readonly left: readonly { readonly name: string; readonly reason: string }[]
}

/** A shift this many times the bias says that something is wrong with the statistics. */
const LARGEST_RATIO = 1000

/**
 * Corrects biases for weight grids (arXiv 1906.04721, section 4.2): b[o] −= Σ_i Σ_u (W̃ − W)[o,i,u]·f_u·E[x_i], f_u the share
 * of positions whose tap u falls inside the image. E[x] comes from statistics of the folded model, for γ of either sign.
 * Layers that read a channel of unknown mean are left.
 * @param weights grids by the names of layers, as in a plan
 * @example
 * ```ts
 * const { model: corrected, left } = correctBiasAnalytic(model, plan.weights, statistics, shapes)
 * for (const { name, reason } of left) console.log(name, reason)
 * ```
 */
export function correctBiasAnalytic(
  model: Model,
  weights: ReadonlyMap<string, QuantParams>,
  statistics: Statistics,
  shapes: Shapes,
): AnalyticCorrection {
  const moments = channelMoments(model, shapes, statistics)
  const layers = new Map(layersOf(model).map((layer) => [layer.name, layer]))
  const editor = new GraphEditor(model)
  const corrected: CorrectedBias[] = []
  const left: { name: string; reason: string }[] = []
  for (const [name, params] of weights) {
    const layer = layers.get(name)
    const inputs = moments(layer?.node.inputs[0] ?? '')
    const done = layer?.view
      ? correctLayer(editor, { ...layer, view: layer.view }, params, { means: inputs?.map(({ mean }) => mean), shapes })
      : 'its weight is not a matrix on the right'
    if (typeof done === 'string') left.push({ name, reason: done })
    else corrected.push({ name, shift: done, approximate: inputs?.some(({ approximate }) => approximate) ?? false })
  }
  return { model: editor.finish(), corrected, left }
}

/** Means of the channels that a layer reads, and the shapes of values. */
interface KnownMeans {
  readonly means: readonly number[] | undefined
  readonly shapes: Shapes
}

function correctLayer(
  editor: GraphEditor,
  layer: ViewedLayer,
  params: QuantParams,
  { means, shapes }: KnownMeans,
): Float64Array | string {
  const { node, view, weight } = layer
  if (means?.length !== view.inputsPerGroup * view.groups) return 'what it reads is not followed'
  const rounded = fakeQuantize(weight.floats(), params, weight.shape, true)
  const shift = outputShift(layer, rounded, means, tapShares(layer, shapes))
  if (shift.some(Number.isNaN)) {
    const unknown = means.filter(Number.isNaN).length
    return `the mean of ${unknown} of the ${means.length} channels that it reads is not known`
  }
  const place = biasPlace(editor, layer)
  if (typeof place === 'string') return place
  const before = place.tensor ? doublesOf(place.tensor) : new Float64Array(view.outputs)
  const bias = Float64Array.from(
    { length: view.outputs },
    (_, o) => place.scale * (before[before.length === 1 ? 0 : o] ?? 0),
  )
  const usual = bias.reduce((sum, b) => sum + Math.abs(b), 0) / bias.length
  const ratio = bias.reduce((most, b, o) => Math.max(most, Math.abs(shift[o] ?? 0) / Math.max(Math.abs(b), usual)), 0)
  if (usual > 0 && ratio > LARGEST_RATIO)
    return `the correction is ${ratio.toFixed(0)} times its bias, at most ${LARGEST_RATIO} is believed`
  const values = bias.map((b, o) => b - (shift[o] ?? 0))
  if (place.scale !== 1) place.node.attributes.set('beta', floatAttr(1))
  editor.setConstant(
    place.node,
    place.index,
    floatTensor(weight.dtype, place.tensor?.size === view.outputs ? place.tensor.shape : [view.outputs], values),
    place.tensor ? undefined : `${nodeName(node)}_bias`,
  )
  return shift
}

/** Mean of Σ (W̃ − W)·x for each output channel; NaN where a channel of unknown mean counts. */
export function outputShift(
  { view, weight, alpha }: ViewedLayer,
  rounded: Float32Array,
  means: readonly number[],
  shares: ArrayLike<number>,
): Float64Array {
  const values = weight.floats()
  return Float64Array.from({ length: view.outputs }, (_, o) => {
    const first = Math.floor((o * view.groups) / view.outputs) * view.inputsPerGroup
    let shift = 0
    for (let i = 0; i < view.inputsPerGroup; i++) {
      let delta = 0
      for (let u = 0; u < view.positions; u++) {
        const at = view.offset(o) + i * view.inputStride + u * view.positionStride
        delta += (shares[u] ?? 1) * ((rounded[at] ?? 0) - (values[at] ?? 0))
      }
      if (delta !== 0) shift += alpha * delta * (means[first + i] ?? Number.NaN)
    }
    return shift
  })
}

interface BiasPlace {
  readonly node: Node
  readonly index: number
  readonly tensor: Tensor | undefined
  /** Factor of the tensor: a Gemm's beta. */
  readonly scale: number
}

/** Where a layer's bias is, or goes: its own slot, or the constant that is added behind a MatMul. */
function biasPlace(editor: GraphEditor, layer: Layer): BiasPlace | string {
  const { node, facts, bias, beta, view } = layer
  const output = node.outputs[0] ?? ''
  const own = editor.producer(output)
  if (!own) return 'it is not part of the graph'
  if (facts.bias !== undefined) {
    if (hasOpenBias(layer)) return 'its bias is not a constant'
    return { node: own, index: facts.bias, tensor: bias, scale: beta }
  }
  const add = editor.soleConsumer(output)
  const index = add?.inputs[0] === output ? 1 : 0
  const tensor = add && isOp(add, 'Add') ? editor.constant(add.inputs[index]) : undefined
  if (!add || !tensor) return 'no constant is added behind it that could be corrected'
  const isVector = tensor.size === view?.outputs && (tensor.shape.at(-1) ?? 1) === tensor.size
  return isVector ? { node: add, index, tensor, scale: 1 } : 'what is added behind it is not a vector'
}
