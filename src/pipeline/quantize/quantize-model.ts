// One quantisation from material in memory to what is known at its end. What only some places can do, the host does.
import { RefusedError, report, throwIfCancelled, type Watch } from '../../base/index.ts'
import type { LayerSqnr } from '../../calibrate/index.ts'
import { chooseSamples, type Dataset, shareSamples } from '../../data/index.ts'
import type { Comparison } from '../../metrics/index.ts'
import { isExpensive, layerPlaces, type Model, partsOf, writeModel } from '../../onnx/index.ts'
import { type LayerKernel, targetOf } from '../../quantize/index.ts'
import { type QuantizeRecipe, TUNING_SAMPLES } from '../../recipe/index.ts'
import { storeOnce } from '../../rewrite/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { fileSize } from '../growth.ts'
import { readBatches } from '../samples.ts'
import { asItCame } from './as-it-came.ts'
import { CalibrationSamples, fewUnknowns, manyUnknowns } from './calibration-samples.ts'
import type { QuantizeHost } from './host.ts'
import { fewSamples, glance, type Measures, measureQuantized, sqnrOfLayers } from './measure.ts'
import { type Material, needsSamples, type Produced } from './mode.ts'
import { produceQuantized } from './produce.ts'
import { brokenPromise, checkSize, gainsFor, gainsNothing } from './promises.ts'
import type { QuantizeOutcome } from './run.ts'
import { glanceSize } from './some-samples.ts'
import { kernelsIn, whereMeasured } from './target-here.ts'
import { writtenEncodings } from './written-encodings.ts'

/** Samples that are scored at most. */
const SCORED = { fast: 0, default: 5000, high: Number.MAX_SAFE_INTEGER }
/** Samples that walk through both models for the per-layer SQNR. */
const WALKED = 8

/**
 * The samples to calibrate on, corrections and judges included; without data, one random sample of the right shapes stands in for
 * shapes alone.
 * @param heldBack samples that a command before this one kept from every fit
 */
export function calibrationSamples(
  recipe: QuantizeRecipe,
  dataset: Dataset,
  watch: Watch,
  heldBack?: readonly number[],
): CalibrationSamples {
  const wanted = needsSamples(recipe) ? samplesOf(recipe, dataset.size) : 1
  const separate = recipe.val !== undefined || !needsSamples(recipe)
  const { fit: indices } = shareSamples(dataset.size, wanted, { separate, heldBack })
  return new CalibrationSamples(dataset, indices, watch, recipe.weightBits < 8 ? manyUnknowns : fewUnknowns)
}

/** As many as the recipe says; where bias tuning takes its usual number, half of the data set is left to score. */
function samplesOf({ samples, tune, val, weightBits }: QuantizeRecipe, size: number): number {
  if (tune !== 'bias' || val !== undefined || samples !== TUNING_SAMPLES) return samples
  return Math.min(samples, Math.max(weightBits < 8 ? 128 : 64, Math.floor(size / 2)))
}

/**
 * Quantises, checks what became of it, measures, and hands the model to the host.
 * @param output where the host writes, for the report
 * @throws InputError, UnsupportedError, UsageError, RefusedError, CancelledError
 */
export async function quantizeModel(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  output: string,
  material: Omit<Material, 'withSpill' | 'freeMemory' | 'clock'>,
  host: QuantizeHost,
  watch: Watch,
): Promise<QuantizeOutcome> {
  const { original, samples } = material
  const notes: string[] = []
  const timedOn = host.clock?.runtime.name ?? runtime.name
  const elsewhere = targetOf(recipe.target).runtime === timedOn ? undefined : timedOn
  const given = { ...material, ...resourcesOf(host, elsewhere) }
  const produced = await produceQuantized(runtime, recipe, given, notes, watch)
  const before = fileSize(original)
  const checked = (made: Produced) => checkProduced(runtime, recipe, original, made, samples, host, notes, watch)
  let result = await checked(produced)
  // Times on another runtime, and of what random inputs made, say nothing of what is gained.
  const nothing =
    recipe.data === 'random' || elsewhere
      ? undefined
      : gainsNothing(recipe, { before, after: result.bytes.byteLength }, result.measured.measures?.latency)
  if (nothing !== undefined && produced.plan && produced.plan.weights.size > 0) {
    notes.push(nothing)
    result = await checked(asItCame(produced, original, 'integers gain neither size nor time in this model'))
  }
  result = await asPromised(recipe, result, checked, notes)
  const { made, written, bytes, kernels, measured } = result
  checkSize(recipe, bytes.byteLength)
  notes.push(
    ...whereMeasured(targetOf(recipe.target), runtime, measured.measures?.latency || kernels ? elsewhere : undefined),
  )
  if (needsSamples(recipe)) notes.push(...samples.dataset.notes)
  throwIfCancelled(watch.signal)
  report(watch, 'write', 0, 1, output)
  const encodings = await writtenEncodings(made, original, host, notes)
  const outer = made.asWritten && storedOnce(made.asWritten)
  const after = await (outer ? host.write(outer, writeModel(outer)) : host.write(written, bytes))
  notes.push(...runtime.notes.splice(0))
  const { floatModel, shapes, plan, float, rewrites, ladder, originalFolded, meanShift, statistics } = made
  const { inputChannels, outliers } = made
  return {
    recipe,
    output,
    measured: measured.measures !== undefined,
    sizeBytes: { before, after },
    rewrites,
    plan,
    kernels,
    float,
    layerSqnr: measured.layerSqnr,
    ...(measured.measures ?? {}),
    ...(elsewhere ? { elsewhere } : {}),
    ...(measured.glance ? { glance: measured.glance } : {}),
    samples: needsSamples(recipe) ? samples.ids() : [],
    notes: [...new Set(notes)],
    floatModel,
    shapes,
    ...(ladder ? { ladder } : {}),
    ...(originalFolded ? { originalFolded } : {}),
    ...(meanShift ? { meanShift } : {}),
    ...(measured.naiveLayerSqnr ? { naiveLayerSqnr: measured.naiveLayerSqnr } : {}),
    ...(statistics ? { statistics } : {}),
    ...(encodings ? { encodings } : {}),
    ...(made.speed ? { speed: made.speed } : {}),
    ...(inputChannels ? { inputChannels } : {}),
    ...(outliers ? { outliers } : {}),
    places: layerPlaces(originalFolded ?? made.naive?.float ?? floatModel),
    parts: { before: partsOf(original), after: partsOf(written) },
  }
}

/** What a host lends to the making of a model; its clock only where it is the target's. */
function resourcesOf({ withSpill, freeMemory, clock }: QuantizeHost, elsewhere: string | undefined): Partial<Material> {
  return {
    ...(withSpill ? { withSpill } : {}),
    ...(freeMemory ? { freeMemory } : {}),
    ...(clock && elsewhere === undefined ? { clock } : {}),
  }
}

/** A model as it would be written, and what is known of it. */
interface Checked {
  readonly made: Produced
  readonly written: Model
  readonly bytes: Uint8Array
  readonly kernels: readonly LayerKernel[] | undefined
  readonly measured: Measured
}

/**
 * What was promised of the outputs, on samples that took no part: where it is not kept, bits are raised, further in each round.
 * @throws RefusedError when it cannot be kept
 */
async function asPromised(
  recipe: QuantizeRecipe,
  first: Checked,
  checked: (made: Produced) => Promise<Checked>,
  notes: string[],
): Promise<Checked> {
  let result = first
  const comparison = first.measured.measures?.comparison
  let broken = brokenPromise(recipe, comparison)
  if (broken === undefined) return result
  for (const gain of comparison && first.made.raise ? gainsFor(recipe, comparison) : []) {
    const raised = await first.made.raise?.(gain)
    if (!raised) break
    result = await checked(raised)
    broken = brokenPromise(recipe, result.measured.measures?.comparison)
    if (broken !== undefined) continue
    const { bits = [], values = [] } = raised.raised ?? {}
    notes.push(
      `for what was promised ${bits.length} ${bits.length === 1 ? 'layer has' : 'layers have'} 8 bits and ${values.length} ${values.length === 1 ? 'value stays' : 'values stay'} float; statistics.json does not hold that`,
    )
    return result
  }
  throw new RefusedError(broken)
}

async function checkProduced(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  original: Model,
  made: Produced,
  samples: CalibrationSamples,
  host: QuantizeHost,
  notes: string[],
  watch: Watch,
): Promise<Checked> {
  const written = storedOnce(made.quantized)
  const bytes = writeModel(written)
  const kernels = await kernelsIn(written, bytes, made, targetOf(recipe.target), host)
  const measured = await measure(runtime, recipe, original, made, written, samples, host, notes, watch)
  return { made, written, bytes, kernels, measured }
}

/** The last thing that is done: whoever looks for weights finds them in place until here. */
function storedOnce(model: Model): Model {
  return storeOnce.apply(model, { shapes: new Map(), statistics: new Map() }).model
}

interface Measured {
  readonly measures?: Measures
  /** Outputs of one sample. */
  readonly glance?: Comparison
  readonly layerSqnr: readonly LayerSqnr[]
  readonly naiveLayerSqnr?: readonly LayerSqnr[]
}

/** Measures on samples that calibration did not see; with `--effort fast` one is looked at, without any samples none. */
async function measure(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  original: Model,
  made: Produced,
  written: Model,
  samples: CalibrationSamples,
  { scoring: choose, metric, clock }: QuantizeHost,
  notes: string[],
  watch: Watch,
): Promise<Measured> {
  if (recipe.effort === 'fast')
    return { layerSqnr: [], ...(await glanceAt(runtime, recipe, original, made, samples, watch)) }
  if (!needsSamples(recipe) && recipe.val === undefined) {
    notes.push('nothing was measured: give samples with --val to see what the model lost')
    return { layerSqnr: [] }
  }
  const used = needsSamples(recipe) ? samples.indices : []
  const scoring = await choose(used, SCORED[recipe.effort])
  notes.push(scoring.note)
  const options = {
    ...watch,
    label: recipe.model,
    shapes: made.shapes,
    metric,
    clock: clock?.runtime,
    simulate: targetOf(recipe.target).runtime === undefined,
  }
  const measures = await measureQuantized(runtime, original, written, scoring, notes, options)
  const few = chooseSamples(scoring.indices.length, glanceSize(made.shapes, WALKED)).map(
    (place) => scoring.indices[place] ?? 0,
  )
  const walked = await fewSamples(scoring.dataset, few, original, made.shapes, watch)
  // Values of float16 and float32 are not walked side by side.
  const walks = recipe.mode !== 'float16' && !recipe.float16 && made.quantized !== original
  const layerSqnr = walks
    ? await sqnrOfLayers(runtime, made.floatModel, made.quantized, made.shapes, walked, watch)
    : []
  // A second walk only shows what plain quantisation did: not worth it where it takes minutes.
  const naive = isExpensive(made.shapes) ? undefined : made.naive
  return {
    measures,
    layerSqnr,
    ...(naive
      ? { naiveLayerSqnr: await sqnrOfLayers(runtime, naive.float, naive.quantized, naive.shapes, walked, watch) }
      : {}),
  }
}

/** One sample that calibration did not see, or the first where it may see all of them. */
async function glanceAt(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  original: Model,
  { quantized, shapes }: Produced,
  { dataset, indices }: CalibrationSamples,
  watch: Watch,
): Promise<{ readonly glance?: Comparison }> {
  if (!needsSamples(recipe) || recipe.data === 'random') return {}
  const used = new Set(indices)
  const unseen = Array.from({ length: dataset.size }, (_, index) => index).find((index) => !used.has(index))
  for await (const batch of readBatches(dataset, [unseen ?? 0], original, shapes, watch))
    return { glance: await glance(runtime, original, quantized, batch) }
  return {}
}
