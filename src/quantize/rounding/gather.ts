// What a layer reads and should give, on its way through the walk: sampled moments in two parts, so that what is fitted to few
// samples goes only as far as other samples agree.
import type { TensorValue } from '../../base/index.ts'
import {
  choosePositions,
  gatherOutputs,
  gatherPatches,
  gridOf,
  kernelOf,
  type LayerGeometry,
  MomentFeed,
  Moments,
  patchSize,
  positionsOf,
  type StopView,
} from '../../calibrate/index.ts'
import type { Matrix, Products, Random, RegressionMoments } from '../../math/index.ts'
import type { VisitedLayer } from '../correct/visit-layers.ts'
import { CAREFUL, chooseRidge, refitWeights } from './refit.ts'
import type { RoundingGroup } from './scale-search.ts'

export interface GatherOptions {
  readonly products: Products
  readonly random: Random
  /** Batches that take part. */
  readonly used: (batch: number) => boolean
}

/** Sampled positions of a layer, over all samples. */
const POSITIONS = 16384
/** A kernel of one channel has few unknowns. */
const POSITIONS_DEPTHWISE = 4096
/** Every how many batches one checks what the others say, before they are put together. */
const CHECKS = 4

/** Moments of one group in two parts: what is fitted, and what checks it. */
export interface ObservedGroup {
  readonly fit: Moments
  /** Empty where too few batches were seen. */
  readonly check: Moments
}

/** Moments of each group of a layer, of the changed stream's input and the float stream's output; none when it was not observed. */
export async function observeGroups(
  view: StopView,
  input: string,
  geometry: LayerGeometry,
  options: GatherOptions,
): Promise<ObservedGroup[]> {
  const used = <T>(list: readonly T[]) => list.filter((_, batch) => options.used(batch))
  const inputs = used(await view.changed(input))
  const outputs = used(await view.float(view.value))
  if (!inputs.every(isFloat) || !outputs.every(isFloat)) return []
  const samplesIn = ({ dims }: TensorValue) => gridOf(geometry, dims).samples
  const samples = outputs.reduce((sum, output) => sum + samplesIn(output), 0)
  const perSample = Math.ceil((geometry.groups > 1 ? POSITIONS_DEPTHWISE : POSITIONS) / Math.max(1, samples))
  const positions = outputs.map((output) =>
    choosePositions(samplesIn(output), positionsOf(geometry, output.dims), perSample, options.random),
  )
  const seen: ObservedGroup[] = []
  for (let group = 0; group < geometry.groups; group++) {
    const [fit, check] = [momentsFor(geometry), momentsFor(geometry)]
    const [fitted, checked] = [new MomentFeed(options.products, fit), new MomentFeed(options.products, check)]
    for (const [batch, input] of inputs.entries()) {
      const output = outputs[batch]!
      const chosen = positions[batch]!
      const feed = batch % CHECKS === CHECKS - 1 ? checked : fitted
      const { x, y } = await feed.next(chosen.samples * chosen.perSample)
      gatherPatches(geometry, { input, outputDims: output.dims }, chosen, { group, room: x })
      gatherOutputs(geometry, output, chosen, { group, room: y })
    }
    await fitted.finish()
    await checked.finish()
    seen.push({ fit, check })
  }
  return seen
}

/** The groups of a layer: their weights, refitted where that helps, and the covariance of what they read; none when it was not observed. */
export async function gatherGroups(
  { view, layer, slots }: VisitedLayer,
  geometry: LayerGeometry,
  options: GatherOptions,
): Promise<RoundingGroup[]> {
  const seen = await observeGroups(view, slots.input, geometry, options)
  return refitted(
    options.products,
    seen.map(({ fit, check }, group) => ({ weights: kernelOf(layer, geometry, group), ...joined(fit, check) })),
  )
}

/** A group with its moments, whole and in two parts; without the parts where too few batches were seen. */
interface SeenGroup {
  readonly weights: Matrix
  readonly whole: RegressionMoments
  readonly parts?: { readonly fit: RegressionMoments; readonly check: RegressionMoments }
}

/** Puts two parts together. */
function joined(fit: Moments, check: Moments): Omit<SeenGroup, 'weights'> {
  const parts = check.count > 0 ? { fit: momentsOf(fit), check: momentsOf(check) } : undefined
  fit.merge(check)
  return { whole: momentsOf(fit), ...(parts ? { parts } : {}) }
}

const momentsFor = (geometry: LayerGeometry) => new Moments(patchSize(geometry), geometry.outputsPerGroup)

const momentsOf = ({ covariance, crossCovariance }: Moments): RegressionMoments => ({ covariance, crossCovariance })

async function refitted(products: Products, seen: readonly SeenGroup[]): Promise<RoundingGroup[]> {
  const cases = seen.flatMap(({ weights, parts }) => (parts ? [{ weights, ...parts }] : []))
  const ridge = cases.length > 0 ? (await chooseRidge(products, cases))?.ridge : CAREFUL
  const groups: RoundingGroup[] = []
  for (const { weights, whole } of seen)
    groups.push({
      weights: ridge === undefined ? weights : await refitWeights(products, weights, whole, { ridge }),
      hessian: whole.covariance,
    })
  return groups
}

const isFloat = (value: TensorValue) => value.data instanceof Float32Array
