// One layer of a model split by its weights alone: the plain operations of the library.
import { InputError, UnsupportedError } from '../base/index.ts'
import { type Products, plainProducts } from '../math/index.ts'
import { GraphEditor, type Model, type Shapes } from '../onnx/index.ts'
import type { LayerChoice } from './candidates.ts'
import { maxRank } from './cost.ts'
import { splitPlainly } from './fit-split.ts'
import { surveyLayers } from './layers.ts'
import { splitNamed } from './splits/index.ts'

export interface PlainSplitOptions {
  /** Observed shapes of the model (`observeShapes`). */
  readonly shapes: Shapes
  readonly products?: Products
}

/**
 * Splits a Conv into k×1 · 1×k (or 1×k · k×1) at a rank by the SVD of its weight (arXiv 1405.3866). Exact at full rank.
 * @throws InputError for an unknown layer or rank, UnsupportedError when the layer cannot be split so, with the reason
 * @example
 * ```ts
 * const shapes = await observeShapes(runtime, model, feeds)
 * const split = await spatialSvd(model, 'conv2', 16, { shapes }) // k×1 with 16 channels, then 1×k
 * ```
 */
export function spatialSvd(
  model: Model,
  layer: string,
  rank: number,
  options: PlainSplitOptions & { readonly order?: 'vertical-horizontal' | 'horizontal-vertical' },
): Promise<Model> {
  return splitOne(model, layer, { split: options.order ?? 'vertical-horizontal', rank }, options)
}

/**
 * Splits a Conv into 1×1 and k×k (input side), or k×k and 1×1 (output side), a Gemm or MatMul into two, at a rank by the
 * SVD of its weight (arXiv 1404.0736). Exact at full rank.
 * @throws InputError for an unknown layer or rank, UnsupportedError when the layer cannot be split so, with the reason
 * @example
 * ```ts
 * const shapes = await observeShapes(runtime, model, feeds)
 * const split = await weightSvd(model, 'conv2', 16, { shapes, side: 'input-side' }) // 1×1 to 16 channels, then k×k
 * ```
 */
export function weightSvd(
  model: Model,
  layer: string,
  rank: number,
  options: PlainSplitOptions & { readonly side?: 'input-side' | 'output-side' },
): Promise<Model> {
  return splitOne(model, layer, { split: options.side ?? 'output-side', rank }, options)
}

async function splitOne(
  model: Model,
  name: string,
  choice: LayerChoice,
  { shapes, products = plainProducts }: PlainSplitOptions,
): Promise<Model> {
  const { layers, left } = surveyLayers(model, shapes)
  const refused = left.find((layer) => layer.name === name)
  if (refused) throw new UnsupportedError(`layer "${name}" cannot be split: ${refused.reason}`, { node: name })
  const layer = layers.find((known) => known.name === name)
  if (!layer)
    throw new InputError(`there is no layer "${name}"; the layers are ${layers.map((known) => known.name).join(', ')}`)
  const { rank } = choice
  const split = splitNamed(choice.split)
  const reason = split.refuse(layer.geometry)
  if (reason) throw new UnsupportedError(`layer "${name}" cannot be split ${choice.split}: ${reason}`, { node: name })
  const most = maxRank(split, layer.geometry)
  if (!(Number.isInteger(rank) && rank >= 1 && rank <= most))
    throw new InputError(`layer "${name}" can be split at ranks from 1 to ${most}, got ${rank}`, { node: name })
  const editor = new GraphEditor(model)
  await splitPlainly(products, editor, layer, choice)
  return editor.finish()
}
