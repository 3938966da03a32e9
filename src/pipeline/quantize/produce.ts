// From a float model and samples – or what is known instead of them – to the quantised model. Runs wherever a Runtime does.
import { throwIfCancelled, UnsupportedError, UsageError, type Watch } from '../../base/index.ts'
import type { Spill } from '../../calibrate/index.ts'
import { type Bounds, type Model, opsetOf, type Shapes } from '../../onnx/index.ts'
import {
  floatLayers,
  ortCpu,
  type Plan,
  place,
  type QuantizeOptions,
  quantizeDefaults,
  storeInt4,
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
  const needed = recipe.activationType.endsWith('16') || recipe.weightStorage === 'int4' ? 21 : undefined
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
  const placement = place(model, ortCpu, options, typesOf(model))
  notes.push(...embeddingNotes(placement.embeddings))
  if (placement.layers.size + placement.stored.size === 0)
    notes.push(
      'no layer of the main graph can be quantised, so the result is the float model; layers inside If, Loop or Scan are left as they are',
    )
  const fast = recipe.effort === 'fast' || placement.layers.size === 0
  if (tuning) notes.push(...whyUntuned(recipe, stored !== undefined))
  const checked = needsSamples(recipe)
    ? await checkRanges(runtime, model, shapes, { samples, withHeld: fast }, options, watch)
    : undefined
  notes.push(...(checked?.notes ?? []))
  const source = sourceOf(recipe, material, { fast, checked, techniques })
  const products = runtimeProducts(runtime)
  try {
    const found = await withSpill((spill) =>
      search(runtime, { model, statistics }, first, source, {
        ...watch,
        quantize: checked?.options ?? quantizeOptionsFrom(stored, options),
        techniques: techniquesOf(stored || !fast || !needsSamples(recipe) ? (stored ? techniqueNames : techniques) : []),
        keep: recipe.keep,
        clip: recipe.clip,
        seed: recipe.seed,
        label: recipe.model,
        products,
        ...(spill ? { spill } : {}),
        ...(freeMemory ? { memory: freeMemory() } : {}),
      }),
    )
    notes.push(...found.notes)
    return producedFrom(found, model, shapes, samples, first, checked?.options ?? options, needsSamples(recipe))
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

/** Q/DQ needs opset 10, a grid per channel opset 13, 16-bit and 4-bit types opset 21. */
function optionsFor(model: Model, recipe: QuantizeRecipe, notes: string[]): QuantizeOptions {
  const opset = opsetOf(model)
  const { activationType, range, mode, exclude, only, weightBits, keep8bit, weightStorage, embeddings } = recipe
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
  return { ...quantizeDefaults, weights, activationType, range, mode, exclude, only, weightBits, keep8bit, embeddings }
}
