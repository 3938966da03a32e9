// A split fitted to what its layer should give, and how far kernels are from that.
import type { Matrix } from '../math/index.ts'
import type { GraphEditor } from '../onnx/index.ts'
import { composed, type Factors, fitFactors } from './bilinear.ts'
import type { LayerChoice } from './candidates.ts'
import { splitLayer } from './edit-layer.ts'
import type { FitProducts } from './fit-steps.ts'
import { kernelsOf } from './kernel.ts'
import { biasOf, type CompressibleLayer } from './layers.ts'
import { inLayerOrder, problemOf } from './problem.ts'
import { splitNamed } from './splits/index.ts'
import { type FitTarget, plainTarget, squaredError } from './target.ts'

/** What became of one layer. */
export interface FittedLayer {
  readonly name: string
  readonly choice?: LayerChoice
  /** Error at the layer's output as a share of its variance, on the samples it was fitted to; of its weight without data. */
  readonly error: number
  /** Why it was not fitted to data. */
  readonly plain?: string
  /** Output channels that are left, and how many there were, when channels were taken out. */
  readonly channels?: { readonly before: number; readonly after: number }
  /** The same of its input channels. */
  readonly inputs?: { readonly before: number; readonly after: number }
}

/** Factors of each group, after so many rounds of a fit, and the kernels, in the layer's own order, that they stand for. */
export async function fitSplit(
  products: FitProducts,
  { geometry }: CompressibleLayer,
  targets: readonly FitTarget[],
  { split: name, rank, rounds }: LayerChoice & { readonly rounds: number },
): Promise<{ factors: Factors[]; kernels: Matrix[] }> {
  const split = splitNamed(name)
  const factors: Factors[] = []
  const kernels: Matrix[] = []
  for (const target of targets) {
    const problem = problemOf(split, geometry, target)
    const fitted = await fitFactors(products, problem, rank, rounds)
    factors.push(fitted)
    kernels.push(inLayerOrder(split, geometry, await composed(products, problem, fitted)))
  }
  return { factors, kernels }
}

/** Splits a layer by its weights alone; the bias stays. */
export async function splitPlainly(
  products: FitProducts,
  editor: GraphEditor,
  layer: CompressibleLayer,
  choice: LayerChoice,
): Promise<FittedLayer> {
  const targets = kernelsOf(layer).map(plainTarget)
  const { factors, kernels } = await fitSplit(products, layer, targets, { ...choice, rounds: 0 })
  splitLayer(editor, layer, { split: splitNamed(choice.split), factors, bias: biasOf(layer) })
  return { name: layer.name, choice, error: await shareOfEnergy(products, targets, kernels) }
}

/** Squared errors of all groups. */
export async function totalError(
  products: FitProducts,
  targets: readonly FitTarget[],
  kernels: readonly Matrix[],
): Promise<number> {
  let sum = 0
  for (const [group, target] of targets.entries()) {
    const kernel = kernels[group]
    if (kernel) sum += await squaredError(products, target, kernel)
  }
  return sum
}

/** The same as a share of what the layer should give. */
export async function shareOfEnergy(
  products: FitProducts,
  targets: readonly FitTarget[],
  kernels: readonly Matrix[],
): Promise<number> {
  const energy = targets.reduce((sum, target) => sum + target.energy, 0)
  return energy > 0 ? (await totalError(products, targets, kernels)) / energy : 0
}
