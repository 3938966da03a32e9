// quantize: rewrite → search over techniques (calibrate, plan, insert Q/DQ, correct) → lint → measure → write. One call is one run.
import { freemem } from 'node:os'
import { dirname } from 'node:path'
import { InputError, report, UsageError, type Watch } from '../base/index.ts'
import type { Dataset } from '../data/index.ts'
import { readModelFile, type Settle, withScratch, writeModelFile } from '../onnx/index.node.ts'
import { encodedLength, type Model } from '../onnx/index.ts'
import { lintFusion, targetOf } from '../quantize/index.ts'
import type { QuantizeRecipe } from '../recipe/index.ts'
import { optimizedGraph, saturates, withSpillFolder } from '../runtime/index.node.ts'
import type { Runtime } from '../runtime/index.ts'
import { refuseQuantized } from './already-quantized.ts'
import { withClock } from './clock.node.ts'
import { encodingsWriter, givenEncodings } from './encodings.node.ts'
import { checkLabels, loadMetric } from './metric.node.ts'
import { checkOutput, defaultOutput, weightsOf } from './output.node.ts'
import { withOverrides } from './overrides.node.ts'
import type { Clock } from './quantize/clock.ts'
import type { QuantizeHost } from './quantize/host.ts'
import { needsSamples } from './quantize/mode.ts'
import { calibrationSamples, quantizeModel } from './quantize/quantize-model.ts'
import type { QuantizeRun } from './quantize/run.ts'
import { storedShapes } from './quantize/stored-source.ts'
import { parseStatistics, type StoredStatistics } from './quantize/stored-statistics.ts'
import { readJson } from './run-folder.node.ts'
import { inputBounds, openSamples, scoringSamples } from './samples.node.ts'
import { readAhead, type ShareWatch, unusedSamples } from './samples.ts'
import { workingForm } from './working-form.ts'

/** What holds for every int8 file on such a processor, whoever made it. */
const SATURATES =
  'this CPU has no VNNI, and by default ONNX Runtime saturates where it multiplies bytes on such a CPU: figures are with its session option session.x64quantprecision = 1, as exact as on CPUs with VNNI; set it where the file runs on a CPU like this one'

/**
 * Quantises a model file by a recipe and writes the result. Nothing is left behind when it fails or is interrupted.
 * @throws InputError, UnsupportedError, UsageError, CancelledError
 * @example
 * ```ts
 * const recipe = parseRecipe('quantize', { model: 'model.onnx', data: 'images', val: 'test' })
 * const run = await quantizeFile(runtime, recipe, { progress: ({ step }) => console.error(step) })
 * console.log(run.output, run.sizeBytes.after, run.comparison?.sqnrDb)
 * ```
 */
export async function quantizeFile(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  watch: ShareWatch = {},
): Promise<QuantizeRun> {
  report(watch, { step: 'read', done: 0, total: 1, message: recipe.model })
  return quantizeGiven(runtime, recipe, await readModelFile(recipe.model), watch)
}

/** Quantises a model that was read, or made, already, and writes the result; the recipe's `model` is the name that it goes by. */
export async function quantizeGiven(
  runtime: Runtime,
  asked: QuantizeRecipe,
  given: Model,
  { heldBack, judged, ...watch }: ShareWatch = {},
): Promise<QuantizeRun> {
  const recipe = await withOverrides(asked)
  const output =
    recipe.output ??
    defaultOutput(recipe.model, recipe.mode === 'float16' ? 'float16' : recipe.weightBits === 4 ? 'int4' : 'int8')
  checkOutput(output, [recipe.model])
  const [encodings, stored] = [await givenEncodings(recipe), await storedStatistics(recipe)]
  // Before anything else is said about samples.
  refuseQuantized(given, recipe.model, 'quantise')
  const form = workingForm(given, 'inference')
  const original = runtime.stow?.(form.model) ?? form.model
  const dataset = await openCalibration(recipe, original, stored, watch)
  const samples = calibrationSamples(recipe, dataset, watch, heldBack)
  if (recipe.val === undefined && needsSamples(recipe))
    await readAhead(unusedSamples(dataset, samples.indices, Number.MAX_SAFE_INTEGER, heldBack), watch)
  const inputs = needsSamples(recipe) ? new Map() : await inputBounds(recipe, original)
  const metric = recipe.metric === undefined ? undefined : await loadMetric(recipe.metric)
  const writeEncodings = encodingsWriter(recipe, output)
  const host = (clock: Clock | undefined, settle: Settle): QuantizeHost => ({
    withSpill: withSpillFolder,
    freeMemory: freemem,
    settle,
    lint: async (model, bytes) =>
      lintFusion(model, await optimizedGraph(runtime, bytes ?? model, 'the quantised model'), targetOf(recipe.target)),
    scoring: async (used, limit) => {
      const scoring = await scoringSamples(
        recipe,
        original,
        { dataset, indices: used },
        { ...watch, limit, heldBack, judged },
      )
      if (metric) checkLabels(metric, scoring.dataset, recipe.val ?? recipe.data)
      return scoring
    },
    ...(metric ? { metric } : {}),
    ...(clock ? { clock } : {}),
    ...(writeEncodings
      ? { writeEncodings: (encoded) => writeEncodings({ ...encoded, model: form.asGiven(encoded.model) }) }
      : {}),
    write: (model) => writeModelFile(form.asGiven(model), output, weightsOf(recipe)),
  })
  const run = await withClock(runtime, recipe.target, (clock) =>
    withScratch(dirname(output), (settle) =>
      quantizeModel(runtime, {
        recipe,
        output,
        material: { original, samples, inputs, stored, encodings },
        host: host(clock, settle),
        watch,
      }),
    ),
  )
  const sizeBytes = form.model === given ? run.sizeBytes : { ...run.sizeBytes, before: encodedLength(given) }
  const notes = [...form.notes, ...run.notes, ...(saturates() ? [SATURATES] : [])]
  return { ...run, sizeBytes, notes, kernels: run.kernels ?? [] }
}

/** @throws UsageError when samples are named too: which of the two would count? */
async function storedStatistics({ statistics, data }: QuantizeRecipe): Promise<StoredStatistics | undefined> {
  if (statistics === undefined) return undefined
  if (data !== 'none')
    throw new UsageError(
      `stored statistics take the place of samples, and --data ${data} names some; leave --data out, and give samples to score with --val`,
    )
  if (typeof statistics !== 'string') return parseStatistics(statistics, 'the recipe')
  const json = await readJson(statistics)
  if (json === undefined)
    throw new InputError(`cannot read the statistics ${statistics}: it is missing, or not JSON`, { file: statistics })
  return parseStatistics(json, statistics)
}

async function openCalibration(
  recipe: QuantizeRecipe,
  model: Model,
  stored: StoredStatistics | undefined,
  watch: Watch,
): Promise<Dataset> {
  const { labels, ...unlabelled } = recipe
  if (needsSamples(recipe))
    return openSamples(recipe.val === undefined ? recipe : unlabelled, model, recipe.data, watch)
  const shape = { ...(stored ? storedShapes(stored, model, recipe.model) : {}), ...recipe.shape }
  return openSamples({ ...unlabelled, shape }, model, 'random', { count: 1 })
}
