// The sequential refit: layer by layer each is split as planned and fitted to give, from what the compressed network hands
// it, what the float network has there. A visitor of the two-stream walk.
import {
  gatherChannels,
  gatherOutputs,
  gatherPatches,
  gridOf,
  MomentFeed,
  Moments,
  patchSize,
  type Spill,
  type StopView,
  walk,
} from '../calibrate/index.ts'
import type { Matrix } from '../math/index.ts'
import { GraphEditor, type Model } from '../onnx/index.ts'
import type { Runtime, Values } from '../runtime/index.ts'
import { leastSquaresKernel } from './bilinear.ts'
import type { LayerChoice } from './candidates.ts'
import { biasFor, setWeight, splitLayer } from './edit-layer.ts'
import { type FittedLayer, fitSplit, shareOfEnergy, totalError } from './fit-split.ts'
import type { FitProducts } from './fit-steps.ts'
import { enoughPerSample, LONGEST_PATCH, positionsFor, type SamplingOptions } from './gather.ts'
import { kernelsOf } from './kernel.ts'
import type { CompressibleLayer } from './layers.ts'
import { residualOperands } from './residual.ts'
import { splitNamed } from './splits/index.ts'
import { type FitTarget, plainTarget, ridgeShare, targetOf } from './target.ts'

export interface RefitOptions extends SamplingOptions {
  readonly products: FitProducts
  readonly layers: readonly CompressibleLayer[]
  /** Layer name → choice. */
  readonly plan: ReadonlyMap<string, LayerChoice>
  /** Samples to fit on. */
  readonly batches: readonly Values[]
  /** Rounds of alternating least squares for split kernels. */
  readonly rounds?: number
  readonly spill?: Spill
  /** The changed network to start from, when channels were taken out of it: `layers` are its layers. */
  readonly pruned?: {
    readonly model: Model
    /** Layer name → the float layer's output channels that are left. */
    readonly kept: ReadonlyMap<string, readonly number[]>
  }
}

export interface RefitResult {
  readonly model: Model
  readonly layers: readonly FittedLayer[]
}

/** Rows for each unknown of a fit; more of them do not make it better. */
const ENOUGH = 48
const FEWEST = 32

/** Rounds of alternating least squares: the first two gain most, after the fourth nothing is left to gain. */
const ROUNDS = 4

/** Every fourth batch is held back from a fit that could also be left out. */
const VALIDATION_EVERY = 4

/**
 * Compresses a model by a plan and refits all layers, also those that are not in it: that costs
 * nothing at run time. A layer in front of a residual Add is fitted to repair the drift of the other operand as well.
 */
export async function refitModel(runtime: Runtime, model: Model, options: RefitOptions): Promise<RefitResult> {
  const { layers, plan, batches } = options
  const byOutput = new Map(layers.map((layer) => [layer.output, layer]))
  const operands = residualOperands(model.graph, [...byOutput.keys()], options.shapes)
  const fitted: FittedLayer[] = []
  const visit = async (view: StopView) => {
    const layer = byOutput.get(view.value)
    if (!layer) return
    const choice = plan.get(layer.name)
    const kept = options.pruned?.kept.get(layer.name)
    const operand = operands.get(layer.output)
    const observed = await observe(view, layer, { operand, kept, split: choice !== undefined }, options)
    const result = await fitLayer(layer, choice, observed, options)
    const editor = new GraphEditor(view.model)
    result.apply(editor)
    view.change(editor.finish())
    fitted.push({
      name: layer.name,
      error: result.error,
      ...(kept ? { channels: { before: observed.channels, after: kept.length } } : {}),
      ...(choice ? { choice } : {}),
      ...(result.plain ? { plain: result.plain } : {}),
    })
  }
  const stops = layers.map(({ name, output }) => ({ name, value: output }))
  const { spill, shapes, progress, signal } = options
  const walkOptions = {
    ...{ stops, batches, visitor: { visit } },
    ...{ shapes, simulate: false, transient: true, step: 'refit', progress, signal },
    ...(spill ? { spill } : {}),
  }
  const result = await walk(runtime, model, options.pruned?.model ?? model, walkOptions)
  return { model: result, layers: fitted }
}

/** Moments of one layer in the compressed network against the float one; `check`, of other samples, is for layers that keep their form. */
interface Observed {
  readonly fit: readonly Moments[]
  readonly check: readonly Moments[]
  readonly samples: number
  /** Output channels of the float layer. */
  readonly channels: number
}

/** What becomes of a layer. */
interface Fate {
  /** The other operand of the Add behind it, whose drift it repairs as well. */
  readonly operand: string | undefined
  /** Output channels of the float layer that are left; all unless given. */
  readonly kept: readonly number[] | undefined
  readonly split: boolean
}

async function observe(
  view: StopView,
  layer: CompressibleLayer,
  { operand, kept, split }: Fate,
  options: RefitOptions,
): Promise<Observed> {
  const { geometry } = layer
  const withCovariance = patchSize(geometry) <= LONGEST_PATCH
  const make = () =>
    Array.from(
      { length: geometry.groups },
      () => new Moments(patchSize(geometry), geometry.outputsPerGroup, { withCovariance }),
    )
  const fit = make()
  const check = split ? [] : make()
  const feeds = new Map([...fit, ...check].map((moments) => [moments, new MomentFeed(options.products, moments)]))
  const inputs = await view.changed(layer.input)
  const outputs = await view.float(layer.output)
  const drift = operand ? { before: await view.float(operand), after: await view.changed(operand) } : undefined
  for (const [batch, x] of inputs.entries()) {
    const y = outputs[batch]
    if (!y) continue
    const samples = inputs.length * (y.dims[0] ?? 1)
    const perSample = enoughPerSample(layer, samples, { rows: ENOUGH, least: FEWEST, most: options.perSample })
    const positions = positionsFor(layer, y.dims, batch, { ...options, perSample })
    const rows = positions.samples * positions.perSample
    const validation = !split && inputs.length >= VALIDATION_EVERY && batch % VALIDATION_EVERY === VALIDATION_EVERY - 1
    const sums = validation ? check : fit
    for (const [group, moments] of sums.entries()) {
      const room = await feeds.get(moments)?.next(rows)
      if (!room) continue
      gatherPatches(geometry, { input: x, outputDims: y.dims }, positions, { group, room: room.x })
      const own = kept?.slice(group * geometry.outputsPerGroup, (group + 1) * geometry.outputsPerGroup)
      const target = own
        ? gatherChannels(geometry, y, positions, { channels: own, room: room.y })
        : gatherOutputs(geometry, y, positions, { group, room: room.y })
      const [before, after] = [drift?.before[batch], drift?.after[batch]]
      if (before && after) {
        const room = new Float32Array(own ? rows * own.length : 0)
        const a = own
          ? gatherChannels(geometry, before, positions, { channels: own, room })
          : gatherOutputs(geometry, before, positions, { group })
        const b = gatherOutputs(geometry, after, positions, { group })
        for (let i = 0; i < target.data.length; i++) target.data[i]! += a.data[i]! - b.data[i]!
      }
    }
  }
  for (const feed of feeds.values()) await feed.finish()
  const [first] = outputs
  return { fit, check, samples: fit[0]?.count ?? 0, channels: first ? gridOf(geometry, first.dims).channels : 0 }
}

/**
 * Ridges that are tried for a layer of a pruned network, as multiples of the usual one, until a harder pull makes held-back
 * samples worse. Positions of one sample resemble each other: there are fewer of them than it seems.
 */
const RIDGES = [1, 10, 100]
const ONE_RIDGE = [1]

interface Fit {
  readonly error: number
  readonly plain?: string
  readonly apply: (editor: GraphEditor) => void
}

async function fitLayer(
  layer: CompressibleLayer,
  choice: LayerChoice | undefined,
  { fit, check, samples }: Observed,
  options: RefitOptions,
): Promise<Fit> {
  const { products } = options
  const { geometry } = layer
  const weights = kernelsOf(layer)
  const usual = ridgeShare(samples, patchSize(geometry))
  const long = patchSize(geometry) > LONGEST_PATCH
  const targets = (moments: readonly Moments[], share: number) =>
    weights.map((weight, group) => {
      const own = moments[group]
      return own && !long ? targetOf(weight, own, share) : plainTarget(weight)
    })
  let share = usual
  // Fitting a layer that keeps its form is a choice: it must pay on samples that it was not fitted to.
  if (!choice && !long && (check[0]?.count ?? 0) > 0) {
    const judging = targets(check, usual)
    let least = await totalError(products, judging, weights)
    let best: number | undefined
    for (const factor of options.pruned ? RIDGES : ONE_RIDGE) {
      const error = await totalError(products, judging, await kernelsFor(products, targets(fit, factor * usual)))
      if (error < least) [least, best] = [error, factor * usual]
      else if (best !== undefined) break
    }
    if (best === undefined) {
      const all = merged(fit, check)
      const error = await shareOfEnergy(products, targets(all, usual), weights)
      return { error, apply: (editor) => setWeight(editor, layer, weights, biasFor(geometry, weights, all)) }
    }
    share = best
  }
  const all = merged(fit, check)
  const fitted = targets(all, share)
  const plain = long ? { plain: `its patches of ${patchSize(geometry)} numbers are too long for a covariance` } : {}
  if (!choice) {
    const kernels = await kernelsFor(products, fitted)
    const bias = biasFor(geometry, kernels, all)
    const error = long ? 0 : await shareOfEnergy(products, fitted, kernels)
    return { error, ...plain, apply: (editor) => setWeight(editor, layer, kernels, bias) }
  }
  const { factors, kernels } = await fitSplit(products, layer, fitted, { ...choice, rounds: options.rounds ?? ROUNDS })
  const bias = biasFor(geometry, kernels, all)
  const error = await shareOfEnergy(products, fitted, kernels)
  return {
    error,
    ...plain,
    apply: (editor) => void splitLayer(editor, layer, { split: splitNamed(choice.split), factors, bias }),
  }
}

/** The least-squares kernel of each group. */
async function kernelsFor(products: FitProducts, targets: readonly FitTarget[]): Promise<Matrix[]> {
  const kernels: Matrix[] = []
  for (const target of targets) kernels.push(await leastSquaresKernel(products, target))
  return kernels
}

function merged(a: readonly Moments[], b: readonly Moments[]): readonly Moments[] {
  for (const [group, moments] of a.entries()) if (b[group]) moments.merge(b[group])
  return a
}
