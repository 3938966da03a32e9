// quantize: rewrite → calibrate → plan → insert Q/DQ → lint → measure → write. One call is one run.
import { report, throwIfCancelled, UnsupportedError, type Watch } from '../base/index.ts'
import { calibrate, type LayerSqnr, layerSqnrVisitor, rangeSettingOf, walk } from '../calibrate/index.ts'
import { chooseSamples, type Dataset } from '../data/index.ts'
import { type Comparison, compareSessions } from '../metrics/index.ts'
import { readModelFile, writeModelFile } from '../onnx/index.node.ts'
import { constantsOf, layersOf, type Model, nodeName, opsetOf, type Shapes, writeModel } from '../onnx/index.ts'
import {
  floatLayers,
  insertQdq,
  insertWeights,
  type LayerKernel,
  lintFusion,
  makePlan,
  ortCpu,
  type Plan,
  place,
  type QuantizeOptions,
  tensorsToObserve,
  weightGrid,
} from '../quantize/index.ts'
import { type AppliedRewrite, applyRewrites, liftOpsetTo, passes } from '../rewrite/index.ts'
import { optimizedGraph } from '../runtime/index.node.ts'
import { type Latency, measureLatency, type Runtime, typesOf, type Values, withSession } from '../runtime/index.ts'
import { checkLabels, loadMetric } from './metric.node.ts'
import { defaultOutput, refuseInputAsOutput } from './output.node.ts'
import type { QuantizeRecipe } from './recipe.ts'
import { openSamples, PREPROCESS_KEY, readBatches, scoringSamples } from './samples.node.ts'

/** Everything a quantisation knows at its end; summary, JSON and report are made from it. */
export interface QuantizeRun {
  readonly recipe: QuantizeRecipe
  readonly output: string
  readonly measured: boolean
  readonly sizeBytes: { readonly before: number; readonly after: number }
  readonly rewrites: readonly AppliedRewrite[]
  readonly plan: Plan | undefined
  readonly kernels: readonly LayerKernel[]
  readonly float: readonly { readonly name: string; readonly reason: string }[]
  readonly comparison?: Comparison
  readonly latency?: { readonly before: Latency; readonly after: Latency }
  readonly layerSqnr: readonly LayerSqnr[]
  /** Ids of the calibration samples. */
  readonly samples: readonly string[]
  readonly notes: readonly string[]
  /** The float model that the layers of the report describe. */
  readonly floatModel: Model
  readonly shapes: Shapes
}

/** Samples that are scored at most. */
const SCORED = { fast: 0, default: 5000, high: Number.MAX_SAFE_INTEGER }
/** Samples that walk through both models for the per-layer SQNR. */
const WALKED = 8

/**
 * Quantises a model file by a recipe and writes the result. Nothing is left behind when it fails or is interrupted.
 * @throws InputError, UnsupportedError, UsageError, CancelledError
 */
export async function quantizeFile(runtime: Runtime, recipe: QuantizeRecipe, watch: Watch = {}): Promise<QuantizeRun> {
  if (recipe.weightBits === 4) throw new UnsupportedError('4-bit weights are not there yet; use --weight-bits 8')
  const output = recipe.output ?? defaultOutput(recipe.model, 'int8')
  refuseInputAsOutput(output, [recipe.model])
  report(watch, 'read', 0, 1, recipe.model)
  const original = await readModelFile(recipe.model)
  const { labels, ...unlabelled } = recipe
  const calibration = await openSamples(
    recipe.val === undefined ? recipe : unlabelled,
    original,
    recipe.data,
    recipe.samples,
  )
  const chosen = chooseSamples(calibration.size, Math.min(recipe.samples, calibration.size))
  const first = (await calibration.sample(chosen[0] ?? 0)).inputs

  const wide = recipe.activationType.endsWith('16')
  const rewritten = await applyRewrites(
    runtime,
    original,
    wide ? passes.map((pass) => (pass.name === 'lift-opset' ? liftOpsetTo(21) : pass)) : passes,
    first,
    { ...watch, label: recipe.model },
  )
  const { model, shapes } = rewritten
  const notes = [...original.notes]
  const { quantized, plan, float } = await quantizeModel(
    runtime,
    model,
    shapes,
    recipe,
    calibration,
    chosen,
    notes,
    watch,
  )

  // What the samples assumed is known now that they were read.
  if (calibration.preprocess) quantized.metadata.set(PREPROCESS_KEY, JSON.stringify(calibration.preprocess))
  throwIfCancelled(watch.signal)
  report(watch, 'lint', 0, 1)
  const bytes = writeModel(quantized)
  const kernels = lintFusion(quantized, await optimizedGraph(runtime, bytes, 'the quantised model'), ortCpu)

  const measured = recipe.effort !== 'fast'
  const measures = measured
    ? await measure(runtime, recipe, original, model, quantized, shapes, calibration, chosen, notes, watch)
    : undefined
  notes.push(...calibration.notes)
  throwIfCancelled(watch.signal)
  report(watch, 'write', 0, 1, output)
  const after = await writeModelFile(quantized, output)
  return {
    recipe,
    output,
    measured,
    sizeBytes: { before: writeModel(original).byteLength, after },
    rewrites: rewritten.applied,
    plan,
    kernels,
    float,
    layerSqnr: measures?.layerSqnr ?? [],
    ...(measures ? { comparison: measures.comparison, latency: measures.latency } : {}),
    samples: chosen.map((index) => calibration.id(index)),
    notes: [...new Set(notes)],
    floatModel: model,
    shapes,
  }
}

interface Quantized {
  readonly quantized: Model
  readonly plan: Plan | undefined
  readonly float: readonly { readonly name: string; readonly reason: string }[]
}

async function quantizeModel(
  runtime: Runtime,
  model: Model,
  shapes: Shapes,
  recipe: QuantizeRecipe,
  calibration: Dataset,
  chosen: readonly number[],
  notes: string[],
  watch: Watch,
): Promise<Quantized> {
  const options = optionsFor(model, recipe, notes)
  const placement = place(model, ortCpu, options, typesOf(model))
  if (options.mode === 'weights') {
    const layers = layersOf(model).filter(
      (layer) => layer.weight.dtype === 'float32' && !excludedBy(placement.reasons.get(layer.node)),
    )
    notes.push(
      'weights only: the file is smaller and ONNX Runtime computes in float; disable_quant_qdq folds the weights at load',
    )
    const grids = new Map(layers.map((layer) => [layer, weightGrid(layer, options)]))
    return { quantized: insertWeights(model, grids), plan: undefined, float: [] }
  }
  const float = floatLayers(model, placement)
  if (placement.layers.size === 0)
    notes.push(
      'no layer of the main graph can be quantised, so the result is the float model; layers inside If, Loop or Scan are left as they are',
    )
  const histogram = rangeSettingOf(options.range).needsHistogram
  const requests = tensorsToObserve(placement).map(({ value, bounds }) => ({
    value,
    histogram,
    nonNegative: bounds.low >= 0,
  }))
  const batches = readBatches(calibration, chosen, model, shapes, watch)
  const statistics =
    requests.length === 0
      ? new Map()
      : await calibrate(runtime, model, batches, requests, { ...watch, shapes, total: chosen.length })
  const plan = makePlan(placement, statistics, options)
  return { quantized: insertQdq(model, plan), plan, float }
}

function excludedBy(reason: string | undefined): boolean {
  return reason?.startsWith('excluded') === true || reason?.startsWith('not named') === true
}

/** Q/DQ needs opset 10, a grid per channel opset 13, 16-bit codes opset 21. */
function optionsFor(model: Model, recipe: QuantizeRecipe, notes: string[]): QuantizeOptions {
  const opset = opsetOf(model)
  const { activationType, range, mode, exclude, only } = recipe
  const needed = activationType.endsWith('16') ? 21 : 10
  if (opset < needed)
    throw new UnsupportedError(
      `${recipe.model} is at opset ${opset} and could not be lifted; ${activationType} activations need opset ${needed}: export it again with a newer opset`,
    )
  let { weights } = recipe
  if (opset < 13 && weights === 'per-channel') {
    notes.push(
      `the model stays at opset ${opset}, which has no grids per channel: its weights are quantised per tensor`,
    )
    weights = 'per-tensor'
  }
  return { weights, activationType, range, mode, exclude, only }
}

async function measure(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  original: Model,
  float: Model,
  quantized: Model,
  shapes: Shapes,
  calibration: Dataset,
  chosen: readonly number[],
  notes: string[],
  watch: Watch,
): Promise<{ comparison: Comparison; latency: { before: Latency; after: Latency }; layerSqnr: readonly LayerSqnr[] }> {
  const scoring = await scoringSamples(recipe, original, calibration, chosen, SCORED[recipe.effort])
  notes.push(scoring.note)
  const metric = recipe.metric === undefined ? undefined : await loadMetric(recipe.metric)
  if (metric) checkLabels(metric, scoring.dataset, recipe.val ?? recipe.data)
  const sample = (await scoring.dataset.sample(scoring.indices[0] ?? 0)).inputs
  return withSession(runtime, original, { label: recipe.model }, (before) =>
    withSession(runtime, quantized, { label: 'the quantised model' }, async (after) => {
      const batches = readBatches(scoring.dataset, scoring.indices, original, shapes, watch)
      const comparison = await compareSessions(before, after, batches, scoring.indices.length, watch, 'compare', metric)
      if (comparison.unscored !== undefined) notes.push(`${comparison.unscored} No metric is shown.`)
      report(watch, 'latency', 0, 1)
      const [first, second] = await measureLatency(runtime, [before, after], sample)
      if (!first || !second) throw new UnsupportedError('latency could not be measured')
      const layerSqnr = await sqnrOfLayers(
        runtime,
        float,
        quantized,
        shapes,
        calibration,
        chosen.slice(0, WALKED),
        watch,
      )
      return { comparison, latency: { before: first, after: second }, layerSqnr }
    }),
  )
}

/** Per-layer SQNR with everything quantised, on a few samples. */
export async function sqnrOfLayers(
  runtime: Runtime,
  float: Model,
  quantized: Model,
  shapes: Shapes,
  dataset: Dataset,
  indices: readonly number[],
  watch: Watch,
): Promise<readonly LayerSqnr[]> {
  const samples: Values[] = []
  for (const index of indices) samples.push((await dataset.sample(index, watch.signal)).inputs)
  const made = new Set(quantized.graph.nodes.flatMap((node) => node.outputs))
  const constants = constantsOf(float.graph)
  const stops = layersOf(float)
    .filter(({ node }) => !constants(node.outputs[0]) && made.has(node.outputs[0] ?? ''))
    .map(({ node }) => ({ name: nodeName(node), value: node.outputs[0] ?? '' }))
  const visitor = layerSqnrVisitor()
  await walk(runtime, float, quantized, stops, samples, visitor, { ...watch, shapes })
  return visitor.results
}
