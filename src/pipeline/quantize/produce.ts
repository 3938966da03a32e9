// From a float model and samples – or what is known instead of them – to the quantised model. Runs wherever a Runtime does.
import { throwIfCancelled, UnsupportedError, UsageError, type Watch } from '../../base/index.ts'
import type { Spill } from '../../calibrate/index.ts'
import { type Bounds, type Model, opsetOf, type Shapes } from '../../onnx/index.ts'
import {
  floatLayers,
  type Plan,
  place,
  type QuantizeOptions,
  quantizeDefaults,
  storeInt4,
  targetOf,
} from '../../quantize/index.ts'
import type { RungRow } from '../../report/index.ts'
import {
  type AppliedRewrite,
  type AppliedRewrites,
  applyRewrites,
  liftOpsetTo,
  workingPasses,
} from '../../rewrite/index.ts'
import { type Runtime, runtimeProducts, typesOf, type Values } from '../../runtime/index.ts'
import { refuseQuantized } from '../already-quantized.ts'
import type { QuantizeRecipe } from '../recipe.ts'
import { batchSizeFor, PREPROCESS_KEY, withGuessedShapes } from '../samples.ts'
import { subGraphNotes } from '../sub-graphs.ts'
import { buildQuantized } from './build.ts'
import type { CalibrationSamples } from './calibration-samples.ts'
import { checkRanges } from './checked-ranges.ts'
import { embeddingNotes } from './embedding-notes.ts'
import { buildFromStored } from './from-stored.ts'
import { knownRanges } from './keep-float.ts'
import { climb } from './ladder.ts'
import { type Learnt, type StoredStatistics, storedTensors } from './stored-statistics.ts'
import { defaultTechniques, parseTechniques, type Technique } from './techniques.ts'
import { quantizeWeights } from './weights-only.ts'
import { buildWithoutData } from './without-data.ts'

/** A quantised model and how it came about. */
export interface Produced {
  readonly quantized: Model
  readonly floatModel: Model
  readonly shapes: Shapes
  readonly plan: Plan | undefined
  readonly float: readonly { readonly name: string; readonly reason: string }[]
  /** All of them, those of the float model first. */
  readonly rewrites: readonly AppliedRewrite[]
  readonly ladder?: readonly RungRow[]
  readonly originalFolded?: Model
  readonly naive?: { readonly float: Model; readonly quantized: Model; readonly shapes: Shapes }
  readonly meanShift?: ReadonlyMap<string, { readonly before: number; readonly after: number }>
  readonly learnt?: StoredStatistics
}

/** What a quantisation needs beside the recipe and the runtime. */
export interface Material {
  readonly original: Model
  /** With `data: none` one random sample, for shapes alone. */
  readonly samples: CalibrationSamples
  /** What each graph input can hold, for quantisation without samples. */
  readonly inputs: ReadonlyMap<string, readonly Bounds[]>
  /** Instead of samples. */
  readonly stored?: StoredStatistics | undefined
  /** Gives room on disk to what does not fit in memory, where there is a disk. */
  readonly withSpill?: <T>(work: (spill: Spill | undefined) => Promise<T>) => Promise<T>
  /** Bytes of memory that are free, where that is known. */
  readonly freeMemory?: () => number
}

/** Is anything learnt from samples? */
export function needsSamples({ data }: QuantizeRecipe): boolean {
  return data !== 'none'
}

/**
 * Quantises a model in memory by a recipe; the written file is `writeModel` of the result.
 * @throws InputError, UnsupportedError, UsageError, RefusedError, CancelledError
 */
export async function produceQuantized(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  material: Material,
  notes: string[],
  watch: Watch,
): Promise<Produced> {
  const named = recipe.techniques ? parseTechniques(recipe.techniques) : defaultTechniques(recipe)
  const techniques: readonly Technique[] =
    recipe.tune === 'bias' ? [...new Set([...named, 'tune-bias' as const])] : named
  if (recipe.rounding !== undefined && (recipe.mode !== 'weights' || recipe.weightBits !== 4))
    throw new UsageError(
      '--rounding is about weights alone with 4 bits (--mode weights --weight-bits 4); elsewhere --techniques says what is tried',
    )
  const { original, samples } = material
  const mixed = refuseQuantized(original, recipe.model, 'quantise')
  if (mixed) notes.push(mixed)
  const first = await samples.first()
  const needed =
    recipe.activationType.endsWith('16') || recipe.weightStorage === 'int4'
      ? targetOf(recipe.target).opsets.wide
      : undefined
  const list = needed
    ? workingPasses.map((pass) => (pass.name === 'lift-opset' ? liftOpsetTo(needed) : pass))
    : workingPasses
  const rewritten = await withGuessedShapes(recipe, original, first, () =>
    applyRewrites(runtime, original, list, first, { ...watch, label: recipe.model }),
  )
  samples.batchSize = batchSizeFor(rewritten.model, rewritten.shapes)
  notes.push(...original.notes, ...subGraphNotes(original))
  const options = optionsFor(rewritten.model, recipe, notes)
  const climbed = await quantizeModel(runtime, rewritten, recipe, options, techniques, material, first, notes, watch)
  const made = recipe.weightStorage === 'int4' && climbed.plan ? inInt4(climbed, notes) : climbed
  // What the samples assumed is known now that they were read.
  const preprocess = material.stored ? material.stored.preprocess : samples.dataset.preprocess
  if (preprocess) made.quantized.metadata.set(PREPROCESS_KEY, JSON.stringify(preprocess))
  throwIfCancelled(watch.signal)
  return { ...made, rewrites: [...rewritten.applied, ...made.rewrites] }
}

async function quantizeModel(
  runtime: Runtime,
  { model, shapes, statistics }: Pick<AppliedRewrites, 'model' | 'shapes' | 'statistics'>,
  recipe: QuantizeRecipe,
  options: QuantizeOptions,
  techniques: readonly Technique[],
  { samples, inputs, stored, withSpill = (work) => work(undefined), freeMemory }: Material,
  first: Values,
  notes: string[],
  watch: Watch,
): Promise<Produced> {
  const tuning = techniques.includes('tune-bias')
  if (tuning && options.mode === 'weights')
    notes.push(untuned('activations are not quantised, and biases are right as they are'))
  if (options.mode === 'weights') {
    const given = needsSamples(recipe) ? { samples } : {}
    const made = await withSpill((spill) =>
      quantizeWeights(runtime, model, shapes, notes, {
        ...watch,
        ...given,
        ...(spill ? { spill } : {}),
        quantize: options,
        recipe,
      }),
    )
    return { ...made, plan: undefined, floatModel: model, shapes, float: [], rewrites: [] }
  }
  const placement = place(model, options, typesOf(model))
  const float = floatLayers(model, placement)
  notes.push(...embeddingNotes(placement.embeddings))
  if (placement.layers.size + placement.stored.size === 0)
    notes.push(
      'no layer of the main graph can be quantised, so the result is the float model; layers inside If, Loop or Scan are left as they are',
    )
  if (!needsSamples(recipe)) {
    const label = recipe.model
    const built = stored
      ? await buildFromStored(runtime, model, statistics, first, stored, { ...watch, quantize: options, label })
      : await buildWithoutData(runtime, model, statistics, first, {
          ...watch,
          quantize: options,
          techniques,
          clip: recipe.clip === 'hold' ? 'hold' : 'exact',
          inputs,
          label,
        })
    notes.push(...built.notes)
    if (tuning && !stored) notes.push(untuned('there are no samples'))
    const { model: quantized, plan } = built.built
    return { quantized, plan, floatModel: built.float, shapes: built.shapes, float, rewrites: built.rewrites }
  }
  const fast = recipe.effort === 'fast' || placement.layers.size === 0
  const checked = await checkRanges(runtime, model, shapes, { samples, withHeld: fast }, options, watch)
  notes.push(...(checked?.notes ?? []))
  const quantize = checked?.options ?? options
  const decided = quantize.minmaxValues ? { minmaxValues: [...quantize.minmaxValues] } : {}
  if (fast) {
    if (tuning && recipe.effort === 'fast') notes.push(untuned('--effort fast tries nothing and measures nothing'))
    const source = checked ? knownRanges(checked.planned) : { samples, withHeld: true }
    const built = await buildQuantized(runtime, model, shapes, source, quantize, watch)
    const learnt = storedOf(samples, first, { rewrites: [], ...decided, tensors: storedTensors(built.statistics) })
    return { quantized: built.model, plan: built.plan, floatModel: model, shapes, float, rewrites: [], learnt }
  }
  const products = runtimeProducts(runtime)
  try {
    const climbed = await withSpill((spill) =>
      climb(runtime, model, statistics, samples, first, {
        ...watch,
        quantize,
        techniques,
        keep: recipe.keep,
        clip: recipe.clip,
        seed: recipe.seed,
        label: recipe.model,
        products,
        ...(spill ? { spill } : {}),
        ...(freeMemory ? { memory: freeMemory() } : {}),
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
      float: floatLayers(climbed.float, built.plan.placement),
      rewrites: climbed.rewrites,
      ladder: climbed.rungs,
      learnt: storedOf(samples, first, { ...climbed.learnt, ...decided }),
      ...(climbed.beforeEqualization ? { originalFolded: climbed.beforeEqualization } : {}),
      ...(naive.model === built.model ? {} : { naive: { float: model, quantized: naive.model, shapes } }),
      ...(shifts.length > 0 ? { meanShift: new Map(shifts) } : {}),
    }
  } finally {
    await products.close()
  }
}

const untuned = (reason: string) => `bias tuning was left out: ${reason}`

function storedOf({ dataset }: CalibrationSamples, first: Values, learnt: Learnt): StoredStatistics {
  const { preprocess } = dataset
  return {
    kind: 'onnxpress-statistics',
    version: 1,
    inputs: Object.fromEntries(Object.entries(first).map(([name, { dims }]) => [name, dims])),
    ...(preprocess ? { preprocess: { ...preprocess } } : {}),
    ...learnt,
  }
}

function inInt4(made: Produced, notes: string[]): Produced {
  if (!made.plan || ![...made.plan.weightBits.values()].includes(4)) return made
  notes.push(
    '4-bit codes are stored as int4: the file is smaller, and ONNX Runtime computes these layers in float; --weight-storage int8 keeps the integer kernels',
  )
  return { ...made, quantized: storeInt4(made.quantized, made.plan) }
}

/** Options for a model at its opset, which must be one at which the target reads the grids. */
function optionsFor(model: Model, recipe: QuantizeRecipe, notes: string[]): QuantizeOptions {
  const opset = opsetOf(model)
  const target = targetOf(recipe.target)
  const { activationType, range, mode, exclude, only, weightBits, keep8bit, weightStorage, embeddings } = recipe
  const wide = activationType.endsWith('16') || weightStorage === 'int4'
  const needed = wide ? target.opsets.wide : target.opsets.grid
  if (opset < needed)
    throw new UnsupportedError(
      `${recipe.model} is at opset ${opset} and could not be lifted; ${wide ? '16-bit activations and int4 weights' : `${activationType} activations`} need opset ${needed}: export it again with a newer opset`,
    )
  let { weights } = recipe
  if (opset < target.opsets.perChannel && weights === 'per-channel') {
    notes.push(
      `the model stays at opset ${opset}, which has no grids per channel: its weights are quantised per tensor`,
    )
    weights = 'per-tensor'
  }
  const given = { activationType, range, mode, exclude, only, weightBits, keep8bit, embeddings }
  return { ...quantizeDefaults, ...given, target, weights }
}
