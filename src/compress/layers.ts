// Which layers can be fitted and split, with everything that this takes; and why the others cannot.
import { geometryOf, gridOf, type LayerGeometry } from '../calibrate/index.ts'
import { hasOpenBias, type Layer, layersOf, type Model, type Shapes, type ViewedLayer } from '../onnx/index.ts'
import { tiedTensors } from '../rewrite/index.ts'
import type { LayerSizes } from './splits/index.ts'

/** A layer that can be compressed, with what its fits and costs need. */
export interface CompressibleLayer extends ViewedLayer {
  readonly geometry: LayerGeometry
  readonly sizes: LayerSizes
  /** The value it reads, and the one it makes. */
  readonly input: string
  readonly output: string
}

export interface LayerSurvey {
  /** In graph order. */
  readonly layers: readonly CompressibleLayer[]
  /** Layers that stay as they are, and why. */
  readonly left: readonly { readonly name: string; readonly reason: string }[]
}

/** Sorts the layers of a model. Fold constants and BatchNorm, and normalise Gemm and pads, before. */
export function surveyLayers(model: Model, shapes: Shapes): LayerSurvey {
  const tied = tiedTensors(model.graph)
  const layers: CompressibleLayer[] = []
  const left: { name: string; reason: string }[] = []
  for (const layer of layersOf(model)) {
    const { name } = layer
    const found = surveyLayer(layer, shapes)
    if (typeof found === 'string') left.push({ name, reason: found })
    else if (hasOpenBias(layer)) left.push({ name, reason: 'its bias is not a constant' })
    else if (tied.has(layer.weight)) left.push({ name, reason: 'its weight is read elsewhere too' })
    else layers.push(found)
  }
  return { layers, left }
}

function surveyLayer(layer: Layer, shapes: Shapes): CompressibleLayer | string {
  const { node, weight, view } = layer
  if (weight.dtype !== 'float32') return `its weight is ${weight.dtype}`
  const geometry = geometryOf(layer)
  if (typeof geometry === 'string') return geometry
  if (!isPlain(layer)) return 'it scales its factors, or adds more than a bias'
  const input = node.inputs[0] ?? ''
  const output = node.outputs[0] ?? ''
  const [from, to] = [shapes.get(input)?.dims, shapes.get(output)?.dims]
  if (!from || !to || !view) return 'its shapes were not observed'
  if (from.length < 2 || to.length < 2) return 'it reads a single vector'
  const [a, b] = [gridOf(geometry, from), gridOf(geometry, to)]
  return {
    ...layer,
    view,
    geometry,
    sizes: { input: [a.height, a.width], output: [b.height, b.width] },
    input,
    output,
  }
}

function isPlain({ alpha, beta, bias, view }: Layer): boolean {
  if (alpha !== 1 || (bias && beta !== 1)) return false
  return !bias || bias.size === 1 || (bias.size === view?.outputs && bias.shape.at(-1) === bias.size)
}

/** The bias of a layer with one number an output; zeros when it has none. */
export function biasOf(layer: CompressibleLayer): Float64Array {
  const bias = new Float64Array(layer.view.outputs)
  const values = layer.bias?.floats()
  if (values) for (let o = 0; o < bias.length; o++) bias[o] = values[values.length === 1 ? 0 : o]!
  return bias
}
