// quantize: rewrite → climb the ladder (calibrate, plan, insert Q/DQ, correct) → lint → measure → write. One call is one run.
import { report, throwIfCancelled, UnsupportedError, type Watch } from '../base/index.ts'
import type { LayerSqnr } from '../calibrate/index.ts'
import { chooseSamples, type Dataset } from '../data/index.ts'
import type { Comparison } from '../metrics/index.ts'
import { readModelFile, writeModelFile } from '../onnx/index.node.ts'
import { layersOf, type Model, opsetOf, type Shapes, type Statistics, writeModel } from '../onnx/index.ts'
import {
  floatLayers,
  insertWeights,
  type LayerKernel,
  lintFusion,
  ortCpu,
  type Plan,
  place,
  type QuantizeOptions,
  quantizeDefaults,
  storeInt4,
  weightGrid,
} from '../quantize/index.ts'
import type { RungRow } from '../report/index.ts'
import { type AppliedRewrite, applyRewrites, liftOpsetTo, passes } from '../rewrite/index.ts'
import { optimizedGraph, withSpillFolder } from '../runtime/index.node.ts'
import { type Latency, type Runtime, runtimeProducts, typesOf, type Values } from '../runtime/index.ts'
import { checkOutput, defaultOutput } from './output.node.ts'
import { buildQuantized } from './quantize/build.ts'
import { CalibrationSamples, fewUnknowns, manyUnknowns } from './quantize/calibration-samples.ts'
import { climb } from './quantize/ladder.ts'
import { fewSamples, type Measures, measureQuantized, sqnrOfLayers } from './quantize/measure.node.ts'
import { defaultTechniques, parseTechniques, type Technique } from './quantize/techniques.ts'
import { buildWithoutData } from './quantize/without-data.ts'
import type { QuantizeRecipe } from './recipe.ts'
import {
  batchSizeFor,
  inputBounds,
  openSamples,
  PREPROCESS_KEY,
  scoringSamples,
  withGuessedShapes,
} from './samples.node.ts'
import { subGraphNotes } from './sub-graphs.ts'

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
  /** What was tried, in order, from the naive quantisation up. */
  readonly ladder?: readonly RungRow[]
  /** The folded float model before equalisation, when equalisation changed it. */
  readonly originalFolded?: Model
  /** Layer name → mean shift of its output before and after bias correction: sqrt(Σ E[error]² ÷ Σ E[output]²). */
  readonly meanShift?: ReadonlyMap<string, { readonly before: number; readonly after: number }>
  /** Per-layer SQNR of the naive quantisation, by the same names as `layerSqnr`. */
  readonly naiveLayerSqnr?: readonly LayerSqnr[]
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
  const output = recipe.output ?? defaultOutput(recipe.model, recipe.weightBits === 4 ? 'int4' : 'int8')
  checkOutput(output, [recipe.model])
  const named = recipe.techniques ? parseTechniques(recipe.techniques) : defaultTechniques(recipe)
  const techniques: readonly Technique[] =
    recipe.tune === 'bias' ? [...new Set([...named, 'tune-bias' as const])] : named
  report(watch, 'read', 0, 1, recipe.model)
  const original = await readModelFile(recipe.model)
  const samples = await openCalibration(recipe, original, watch)
  const first = await samples.first()

  const needed = recipe.activationType.endsWith('16') || recipe.weightStorage === 'int4' ? 21 : undefined
  const list = needed ? passes.map((pass) => (pass.name === 'lift-opset' ? liftOpsetTo(needed) : pass)) : passes
  const rewritten = await withGuessedShapes(recipe, original, first, () =>
    applyRewrites(runtime, original, list, first, { ...watch, label: recipe.model }),
  )
  samples.batchSize = batchSizeFor(rewritten.model, rewritten.shapes)
  const notes = [...original.notes, ...subGraphNotes(original)]
  const options = optionsFor(rewritten.model, recipe, notes)
  const climbed = await quantizeModel(runtime, rewritten, recipe, options, techniques, samples, first, notes, watch)
  const made = recipe.weightStorage === 'int4' ? inInt4(climbed, notes) : climbed

  // What the samples assumed is known now that they were read.
  const { preprocess } = samples.dataset
  if (preprocess) made.quantized.metadata.set(PREPROCESS_KEY, JSON.stringify(preprocess))
  throwIfCancelled(watch.signal)
  report(watch, 'lint', 0, 1)
  const bytes = writeModel(made.quantized)
  const kernels = lintFusion(made.quantized, await optimizedGraph(runtime, bytes, 'the quantised model'), ortCpu)
  const measured = await measure(runtime, recipe, original, made, samples, notes, watch)
  if (recipe.data !== 'none') notes.push(...samples.dataset.notes)
  throwIfCancelled(watch.signal)
  report(watch, 'write', 0, 1, output)
  const after = await writeModelFile(made.quantized, output)
  const { floatModel, shapes, plan, float, ladder, originalFolded, meanShift } = made
  return {
    recipe,
    output,
    measured: measured.measures !== undefined,
    sizeBytes: { before: writeModel(original).byteLength, after },
    rewrites: [...rewritten.applied, ...made.rewrites],
    plan,
    kernels,
    float,
    layerSqnr: measured.layerSqnr,
    ...(measured.measures ?? {}),
    samples: recipe.data === 'none' ? [] : samples.ids(),
    notes: [...new Set(notes)],
    floatModel,
    shapes,
    ...(ladder ? { ladder } : {}),
    ...(originalFolded ? { originalFolded } : {}),
    ...(meanShift ? { meanShift } : {}),
    ...(measured.naiveLayerSqnr ? { naiveLayerSqnr: measured.naiveLayerSqnr } : {}),
  }
}

/** The samples to calibrate on; without data, one random sample of the right shapes stands in for shapes alone. */
async function openCalibration(recipe: QuantizeRecipe, model: Model, watch: Watch): Promise<CalibrationSamples> {
  const { labels, ...unlabelled } = recipe
  const none = recipe.data === 'none'
  const dataset: Dataset = await openSamples(
    recipe.val === undefined && !none ? recipe : unlabelled,
    model,
    none ? 'random' : recipe.data,
    none ? 1 : recipe.samples,
  )
  return new CalibrationSamples(
    dataset,
    chooseSamples(dataset.size, Math.min(none ? 1 : recipe.samples, dataset.size)),
    watch,
    recipe.weightBits < 8 ? manyUnknowns : fewUnknowns,
  )
}

interface Quantized {
  readonly quantized: Model
  readonly floatModel: Model
  readonly shapes: Shapes
  readonly plan: Plan | undefined
  readonly float: readonly { readonly name: string; readonly reason: string }[]
  readonly rewrites: readonly AppliedRewrite[]
  readonly ladder?: readonly RungRow[]
  readonly originalFolded?: Model
  readonly naive?: { readonly float: Model; readonly quantized: Model; readonly shapes: Shapes }
  readonly meanShift?: ReadonlyMap<string, { readonly before: number; readonly after: number }>
}

async function quantizeModel(
  runtime: Runtime,
  { model, shapes, statistics }: { readonly model: Model; readonly shapes: Shapes; readonly statistics: Statistics },
  recipe: QuantizeRecipe,
  options: QuantizeOptions,
  techniques: readonly Technique[],
  samples: CalibrationSamples,
  first: Values,
  notes: string[],
  watch: Watch,
): Promise<Quantized> {
  if (options.mode === 'weights') return weightsOnly(model, shapes, options, notes)
  const placement = place(model, ortCpu, options, typesOf(model))
  const float = floatLayers(model, placement)
  if (placement.layers.size === 0)
    notes.push(
      'no layer of the main graph can be quantised, so the result is the float model; layers inside If, Loop or Scan are left as they are',
    )
  if (recipe.data === 'none') {
    const inputs = await inputBounds(recipe, model)
    const built = await buildWithoutData(runtime, model, statistics, first, {
      ...watch,
      quantize: options,
      techniques,
      clip: recipe.clip === 'hold' ? 'hold' : 'exact',
      inputs,
      label: recipe.model,
    })
    notes.push(...built.notes)
    const { model: quantized, plan } = built.built
    return { quantized, plan, floatModel: built.float, shapes: built.shapes, float, rewrites: built.rewrites }
  }
  if (recipe.effort === 'fast' || placement.layers.size === 0) {
    const built = await buildQuantized(runtime, model, shapes, { samples, withHeld: true }, options, watch)
    return { quantized: built.model, plan: built.plan, floatModel: model, shapes, float, rewrites: [] }
  }
  const products = runtimeProducts(runtime)
  try {
    const climbed = await withSpillFolder((spill) =>
      climb(runtime, model, statistics, samples, first, {
        ...watch,
        quantize: options,
        techniques,
        keep: recipe.keep,
        clip: recipe.clip,
        seed: recipe.seed,
        label: recipe.model,
        products,
        spill,
      }),
    )
    notes.push(...climbed.notes)
    const { built, naive } = climbed
    const shifts = climbed.corrections.flatMap(({ name, bias }) =>
      bias ? [[name, { before: bias.before, after: bias.after }] as const] : [],
    )
    return {
      quantized: built.model,
      plan: built.plan,
      floatModel: climbed.float,
      shapes: climbed.shapes,
      float,
      rewrites: climbed.rewrites,
      ladder: climbed.rungs,
      ...(climbed.beforeEqualization ? { originalFolded: climbed.beforeEqualization } : {}),
      ...(naive.model === built.model ? {} : { naive: { float: model, quantized: naive.model, shapes } }),
      ...(shifts.length > 0 ? { meanShift: new Map(shifts) } : {}),
    }
  } finally {
    await products.close()
  }
}

function inInt4(made: Quantized, notes: string[]): Quantized {
  if (!made.plan || ![...made.plan.weightBits.values()].includes(4)) return made
  notes.push(
    '4-bit codes are stored as int4: the file is smaller, and ONNX Runtime computes these layers in float; --weight-storage int8 keeps the integer kernels',
  )
  return { ...made, quantized: storeInt4(made.quantized, made.plan) }
}

function weightsOnly(model: Model, shapes: Shapes, options: QuantizeOptions, notes: string[]): Quantized {
  const placement = place(model, ortCpu, options, typesOf(model))
  const layers = layersOf(model).filter(
    (layer) => layer.weight.dtype === 'float32' && !excludedBy(placement.reasons.get(layer.node)),
  )
  notes.push(
    'weights only: the file is smaller and ONNX Runtime computes in float; disable_quant_qdq folds the weights at load',
  )
  const grids = new Map(layers.map((layer) => [layer, weightGrid(layer, options)]))
  return { quantized: insertWeights(model, grids), plan: undefined, floatModel: model, shapes, float: [], rewrites: [] }
}

function excludedBy(reason: string | undefined): boolean {
  return reason?.startsWith('excluded') === true || reason?.startsWith('not named') === true
}

/** Q/DQ needs opset 10, a grid per channel opset 13, 16-bit and 4-bit types opset 21. */
function optionsFor(model: Model, recipe: QuantizeRecipe, notes: string[]): QuantizeOptions {
  const opset = opsetOf(model)
  const { activationType, range, mode, exclude, only, weightBits, keep8bit, weightStorage } = recipe
  const wide = activationType.endsWith('16') || weightStorage === 'int4'
  const needed = wide ? 21 : 10
  if (opset < needed)
    throw new UnsupportedError(
      `${recipe.model} is at opset ${opset} and could not be lifted; ${wide ? '16-bit activations and int4 weights' : `${activationType} activations`} need opset ${needed}: export it again with a newer opset`,
    )
  let { weights } = recipe
  if (opset < 13 && weights === 'per-channel') {
    notes.push(
      `the model stays at opset ${opset}, which has no grids per channel: its weights are quantised per tensor`,
    )
    weights = 'per-tensor'
  }
  return { ...quantizeDefaults, weights, activationType, range, mode, exclude, only, weightBits, keep8bit }
}

interface Measured {
  readonly measures?: Measures
  readonly layerSqnr: readonly LayerSqnr[]
  readonly naiveLayerSqnr?: readonly LayerSqnr[]
}

/** Measures on samples that calibration did not see; nothing with `--effort fast`, or without any samples. */
async function measure(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  original: Model,
  made: Quantized,
  samples: CalibrationSamples,
  notes: string[],
  watch: Watch,
): Promise<Measured> {
  if (recipe.effort === 'fast') return { layerSqnr: [] }
  if (recipe.data === 'none' && recipe.val === undefined) {
    notes.push('nothing was measured: give samples with --val to see what the model lost')
    return { layerSqnr: [] }
  }
  const used = recipe.data === 'none' ? [] : samples.indices
  const scoring = await scoringSamples(recipe, original, samples.dataset, used, SCORED[recipe.effort])
  notes.push(scoring.note)
  const measures = await measureQuantized(runtime, recipe, original, made.quantized, made.shapes, scoring, notes, watch)
  const walked =
    recipe.data === 'none'
      ? await fewSamples(scoring.dataset, scoring.indices.slice(0, WALKED), original, made.shapes, watch)
      : await fewSamples(samples.dataset, used.slice(0, WALKED), original, made.shapes, watch)
  const layerSqnr = await sqnrOfLayers(runtime, made.floatModel, made.quantized, made.shapes, walked, watch)
  const { naive } = made
  return {
    measures,
    layerSqnr,
    ...(naive
      ? {
          naiveLayerSqnr: await sqnrOfLayers(runtime, naive.float, naive.quantized, naive.shapes, walked, watch),
        }
      : {}),
  }
}
