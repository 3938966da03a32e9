// compress: read → share out samples → compressModel → write each result → what comes after it. One call is one run.
import { readFile } from 'node:fs/promises'
import { InputError, messageOf, report, type Watch } from '../base/index.ts'
import { readModelFile } from '../onnx/index.node.ts'
import { readModel, writeModel } from '../onnx/index.ts'
import type { CompressRecipe } from '../recipe/index.ts'
import type { Runtime } from '../runtime/index.ts'
import { refuseQuantized } from './already-quantized.ts'
import type { Budget } from './compress/budget.ts'
import { budgetOf } from './compress/budgets/index.ts'
import { type CompressOutcome, compressModel, type MeasuredModel } from './compress/compress-model.ts'
import { diskHost } from './compress/host.node.ts'
import { type LayerLatency, layerLatencies } from './compress/layer-latency.ts'
import { thisMachine } from './compress/machine.node.ts'
import { methodsOf } from './compress/methods/index.ts'
import { follow, nextSteps, type StepRuns } from './compress/next/index.node.ts'
import { tooFar } from './compress/refusal.ts'
import { compressSamples } from './compress/samples.node.ts'
import { type WrittenPoint, writePoint } from './compress/write-point.node.ts'
import { checkOutput } from './output.node.ts'
import { workingForm } from './working-form.ts'

/** One model that was written. */
export interface CompressPoint extends Omit<MeasuredModel, 'bytes'>, StepRuns {
  readonly output: string
  readonly sizeBytes: { readonly before: number; readonly after: number }
  /** Times of the layers that changed, by name; of the last point only. */
  readonly layerLatency?: ReadonlyMap<string, LayerLatency>
}

/** Everything a compression of a file knows at its end. */
export interface CompressRun extends Omit<CompressOutcome<MeasuredModel>, 'points'> {
  readonly recipe: CompressRecipe
  readonly budget: Budget
  readonly points: readonly CompressPoint[]
  readonly seconds: number
  /** Ids of the samples that were fitted to. */
  readonly samples: readonly string[]
}

export interface CompressWatch extends Watch {
  /** Where results of this run are kept for the next one. */
  readonly cacheFolder?: string
}

/**
 * Compresses a model file by a recipe and writes the result, one file a target. Nothing is left behind when it fails.
 * @throws RefusedError when a budget cannot be met or no result does its job any more, UsageError, InputError,
 * UnsupportedError, CancelledError
 */
export async function compressFile(
  runtime: Runtime,
  recipe: CompressRecipe,
  { cacheFolder, ...watch }: CompressWatch = {},
): Promise<CompressRun> {
  const started = performance.now()
  const budget = budgetOf(recipe, thisMachine())
  const manual = recipe.manual === undefined ? undefined : await readJson(recipe.manual)
  if (recipe.output !== undefined) checkOutput(recipe.output, [recipe.model])
  report(watch, { step: 'read', done: 0, total: 1, message: recipe.model })
  const given = await readModelFile(recipe.model)
  const mixed = refuseQuantized(given, recipe.model, 'compress')
  const form = workingForm(given, 'inference')
  const methods = methodsOf(recipe, budget, form.model, manual)
  const judges = budget.looksAt === 'scores' || methods.length > 1 || methods.some((method) => method.judges)
  const samples = await compressSamples(recipe, form.model, judges, watch)
  const { preprocess } = samples.dataset
  const before = writeModel(given).byteLength
  const { keepLayer, keepDead, multiple, plain, seed, force } = recipe
  const files: WrittenPoint[] = []
  const outcome = await compressModel(runtime, given, samples, {
    ...{ ...watch, budget, methods, keepLayer, keepDead, multiple, plain, seed, force },
    ...{ form, host: diskHost(cacheFolder), label: recipe.model },
    preprocess: preprocess && JSON.stringify(preprocess),
    ...(recipe.data === 'random' ? {} : { refuse: tooFar }),
    onResult: async (point) => void files.push(await writePoint(point, { recipe, budget, form }, watch)),
  })
  const steps = nextSteps(recipe, given)
  const points: CompressPoint[] = []
  for (const [index, { bytes, ...point }] of outcome.points.entries()) {
    const { output, sizeBytes } = files[index] as WrittenPoint
    const timed = index === outcome.points.length - 1
    const layerLatency = timed && (await layerLatencies(runtime, outcome.survey.layers, point.layers, watch))
    const from = { model: form.asGiven(readModel(bytes)), file: output }
    points.push({
      ...{ ...point, output, sizeBytes: { before, after: sizeBytes } },
      ...(layerLatency ? { layerLatency } : {}),
      ...(await follow(runtime, steps, from, { ...watch, ...samples.next })),
    })
  }
  const notes = [...samples.notes, ...(mixed ? [mixed] : []), ...outcome.notes]
  notes.push(...runtime.notes.splice(0), ...samples.dataset.notes, ...outcome.refused.map(({ reason }) => reason))
  return {
    ...{ ...outcome, recipe, budget, points },
    seconds: (performance.now() - started) / 1000,
    samples: samples.fitted,
    notes: [...new Set(notes)],
  }
}

/** @throws InputError when a file cannot be read, or is not JSON */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new InputError(`cannot read ${path}: ${messageOf(error)}`, { file: path })
  }
}
