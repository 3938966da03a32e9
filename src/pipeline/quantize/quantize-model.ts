// One quantisation from material in memory to what is known at its end. What only some places can do, the host does.
import { RefusedError, report, throwIfCancelled, type Watch } from '../../base/index.ts'
import { type Dataset, shareSamples } from '../../data/index.ts'
import { encodedLength, layerPlaces, partsOf } from '../../onnx/index.ts'
import { targetOf } from '../../quantize/index.ts'
import { type QuantizeRecipe, TUNING_SAMPLES } from '../../recipe/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { asItCame } from './as-it-came.ts'
import { CalibrationSamples, fewUnknowns, manyUnknowns } from './calibration-samples.ts'
import { type Checked, checkProduced, storedOnce } from './check-produced.ts'
import type { QuantizeHost } from './host.ts'
import { type Material, needsSamples, type Produced } from './mode.ts'
import { produceQuantized } from './produce.ts'
import { brokenPromise, checkSize, gainsFor, gainsNothing } from './promises.ts'
import type { QuantizeOutcome } from './run.ts'
import { whereMeasured } from './target-here.ts'
import { writtenEncodings } from './written-encodings.ts'

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

/** One quantisation: what is to be done, with what, and where. */
export interface QuantizeJob {
  readonly recipe: QuantizeRecipe
  /** Where the host writes, for the report. */
  readonly output: string
  readonly material: Omit<Material, 'withSpill' | 'freeMemory' | 'clock'>
  readonly host: QuantizeHost
  readonly watch: Watch
}

/**
 * Quantises, checks what became of it, measures, and hands the model to the host.
 * @throws InputError, UnsupportedError, UsageError, RefusedError, CancelledError
 */
export async function quantizeModel(runtime: Runtime, job: QuantizeJob): Promise<QuantizeOutcome> {
  const { recipe, output, material, host, watch } = job
  const { original, samples } = material
  const notes: string[] = []
  const timedOn = host.clock?.runtime.name ?? runtime.name
  const elsewhere = targetOf(recipe.target).runtime === timedOn ? undefined : timedOn
  const given = { ...material, ...resourcesOf(host, elsewhere) }
  const produced = await produceQuantized(runtime, recipe, given, { ...watch, notes })
  const before = encodedLength(original)
  const checking = { runtime, recipe, original, samples, host, notes, watch }
  const checked = (made: Produced) => checkProduced(checking, made)
  let result = await checked(produced)
  // Times on another runtime, and of what random inputs made, say nothing of what is gained.
  const nothing =
    recipe.data === 'random' || elsewhere
      ? undefined
      : gainsNothing(recipe, { before, after: result.sizeBytes }, result.measured.measures?.latency)
  if (nothing !== undefined && produced.plan && produced.plan.weights.size > 0) {
    notes.push(nothing)
    result = await checked(asItCame(produced, original, 'integers gain neither size nor time in this model'))
  }
  result = await asPromised(recipe, result, checked, notes)
  const { made, written, bytes, sizeBytes, kernels, measured } = result
  checkSize(recipe, sizeBytes)
  notes.push(
    ...whereMeasured(targetOf(recipe.target), runtime, measured.measures?.latency || kernels ? elsewhere : undefined),
  )
  if (needsSamples(recipe)) notes.push(...samples.dataset.notes)
  throwIfCancelled(watch.signal)
  report(watch, { step: 'write', done: 0, total: 1, message: output })
  const encodings = await writtenEncodings(made, original, host, notes)
  const outer = made.asWritten && storedOnce(made.asWritten)
  const after = await (outer ? host.write(outer, undefined) : host.write(written, bytes))
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
