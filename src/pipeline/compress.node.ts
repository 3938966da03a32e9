// compress: rewrite → selection pass → choose under the budget → refit → measure → write. One call is one run.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  InputError,
  messageOf,
  RefusedError,
  report,
  throwIfCancelled,
  UnsupportedError,
  UsageError,
  type Watch,
} from '../base/index.ts'
import {
  type ClosedLayer,
  type ErrorCurves,
  fitProducts,
  type LayerSurvey,
  lowestSqnrDb,
  type Method,
  type PruningProblem,
  surveyLayers,
} from '../compress/index.ts'
import { type Batch, chooseSamples, feedsOf, fullBatches, shareSamples } from '../data/index.ts'
import { comparisonNotes } from '../metrics/index.ts'
import { readModelFile } from '../onnx/index.node.ts'
import { type Model, type Shapes, writeModel } from '../onnx/index.ts'
import { type AppliedRewrite, applyRewrites, workingPasses } from '../rewrite/index.ts'
import type { Runtime } from '../runtime/index.ts'
import { openCache } from '../search/index.node.ts'
import { memoryCache } from '../search/index.ts'
import { refuseQuantized } from './already-quantized.ts'
import { blockShortcuts } from './compress/blocked-shortcuts.ts'
import { type Budget, budgetOf } from './compress/budget.ts'
import { selectionCurves } from './compress/curves.ts'
import { refuseNonFinite } from './compress/finite-samples.ts'
import { costOfModel, freeChannels } from './compress/free-channels.node.ts'
import { fastestOfBoth, plansForLatency, timedChoices } from './compress/latency.ts'
import { layerLatencies } from './compress/layer-latency.ts'
import { channelBlock, machineName } from './compress/machine.node.ts'
import { type ManualPlan, manualPlan } from './compress/manual.ts'
import { measuredLosses } from './compress/measured-loss.ts'
import { explainRefusal, smallestWithin } from './compress/milder.node.ts'
import { type Choices, fixedCost, type Plan, type PlanAt, planOrNothing, plansFor } from './compress/plan.ts'
import { type Compressed, compressBy, measurePoint, type PointContext, tooFar } from './compress/point.node.ts'
import { manualChannels, openPruning, prunePlanOrNothing, prunePlans } from './compress/prune.node.ts'
import { quantizeAll } from './compress/quantize-points.node.ts'
import { tuneCompressed } from './compress/tune.node.ts'
import { type CompressPoint, writePoint } from './compress/write-point.node.ts'
import { checkOutput } from './output.node.ts'
import type { CompressRecipe } from './recipe.ts'
import { openSamples, scoringSamples } from './samples.node.ts'
import { readBatches } from './samples.ts'
import { workingForm } from './working-form.ts'

/** Everything a compression knows at its end. */
export interface CompressRun {
  readonly recipe: CompressRecipe
  readonly budget: Budget
  readonly points: readonly CompressPoint[]
  /** Targets that were refused while others were met. */
  readonly refused: readonly { readonly target: number; readonly reason: string }[]
  readonly rewrites: readonly AppliedRewrite[]
  readonly survey: LayerSurvey
  /** Layers whose channels could not be taken out, and what holds them, when that was asked for. */
  readonly closed?: readonly ClosedLayer[]
  readonly curves: ReadonlyMap<string, ErrorCurves>
  readonly floatModel: Model
  readonly shapes: Shapes
  readonly evaluations: number
  readonly seconds: number
  readonly samples: readonly string[]
  readonly notes: readonly string[]
}

export interface CompressWatch extends Watch {
  /** Where results of this run are kept for the next one. */
  readonly cacheFolder?: string
}

/** Samples that are scored at most: with labels, and without. */
const SCORED = { labelled: 5000, unlabelled: 1000 }
/** Samples of a measured loss. */
const MEASURED = 256

/**
 * Compresses a model file by a recipe and writes the result, one file a target. Nothing is left behind when it fails.
 * @throws RefusedError when a budget cannot be met or no result does its job any more, UsageError, InputError,
 * UnsupportedError, CancelledError
 */
export async function compressFile(
  runtime: Runtime,
  recipe: CompressRecipe,
  watch: CompressWatch = {},
): Promise<CompressRun> {
  const started = performance.now()
  const products = fitProducts(runtime)
  try {
    return await run(runtime, products, recipe, watch, started)
  } finally {
    await products.close()
  }
}

async function run(
  runtime: Runtime,
  products: PointContext['products'],
  recipe: CompressRecipe,
  watch: CompressWatch,
  started: number,
): Promise<CompressRun> {
  const budget = budgetOf(recipe, channelBlock())
  if (recipe.output !== undefined) checkOutput(recipe.output, [recipe.model])
  report(watch, 'read', 0, 1, recipe.model)
  const given = await readModelFile(recipe.model)
  const mixed = refuseQuantized(given, recipe.model, 'compress')
  const form = workingForm(given, 'inference')
  const original = form.model
  const bytes = writeModel(given)
  const { labels, ...unlabelled } = recipe
  const dataset = await openSamples(recipe.val === undefined ? recipe : unlabelled, original, recipe.data, {
    count: recipe.samples,
    signal: watch.signal,
  })
  const { fit: chosen, report: kept } = shareSamples(dataset.size, recipe.samples, {
    separate: recipe.val !== undefined,
  })
  const sample = await feedsOf(dataset, chosen[0] ?? 0)
  const cache = watch.cacheFolder === undefined ? memoryCache() : openCache(join(watch.cacheFolder, 'compress.jsonl'))
  const machine = `${runtime.name} ${runtime.version} ${runtime.threads} ${machineName()}`
  const plain = await applyRewrites(runtime, original, workingPasses, sample, { ...watch, label: recipe.model })
  const rewritten =
    budget.kind === 'latency'
      ? await blockShortcuts(
          { runtime, original, sample, cache, key: `${contentKey([bytes], [], runtime)}|${machine}`, ...watch },
          plain,
        )
      : plain
  const first = surveyLayers(rewritten.model, rewritten.shapes)
  if (first.layers.length === 0 && recipe.method !== 'prune') throw nothingToCompress(recipe.model, first)
  const keepLayer = keptLayers(recipe, first)
  const read: Batch[] = []
  for await (const batch of readBatches(dataset, chosen, rewritten.model, rewritten.shapes, watch)) read.push(batch)
  const batches = fullBatches(read)
  const samples = batches.map((batch) => batch.inputs)
  await refuseNonFinite(runtime, rewritten, batches, watch)
  // A rank or a width that fills no whole block of channels costs as one that does, and a change of layout besides.
  const multiple = budget.kind === 'latency' && recipe.multiple === 1 ? channelBlock() : recipe.multiple
  const freed = await freeChannels(runtime, rewritten, samples, sample, { ...recipe, multiple }, watch)
  const { model, shapes } = freed
  const survey = surveyLayers(model, shapes)
  const notes = [...original.notes, ...form.notes, ...(mixed ? [mixed] : [])]
  const key = contentKey([bytes, writeModel(model)], batches, runtime)
  const scoring = await scoringSamples(recipe, original, dataset, chosen, SCORED.labelled, watch)
  const limit = scoring.dataset.hasLabels ? SCORED.labelled : SCORED.unlabelled
  const context: PointContext = {
    runtime,
    products,
    original,
    form,
    model,
    shapes,
    whole: rewritten,
    layers: survey.layers.filter((layer) => !keepLayer.has(layer.name)),
    samples,
    sample,
    scoring: { ...scoring, indices: chooseSamples(scoring.indices.length, limit).map((i) => scoring.indices[i] ?? 0) },
    plain: recipe.plain,
    seed: recipe.seed,
    preprocess: dataset.preprocess ? JSON.stringify(dataset.preprocess) : undefined,
    cache,
    key,
    progress: watch.progress,
    signal: watch.signal,
    ...(watch.cacheFolder === undefined ? {} : { folder: watch.cacheFolder }),
  }
  notes.push(scoring.note, ...freed.notes)
  const prune = recipe.method === 'prune'
  const method: Method = recipe.method === 'prune' ? 'auto' : recipe.method
  const common = { shapes, seed: recipe.seed, method, plain: recipe.plain, cache, key, ...watch }
  const pass = await selectionCurves(runtime, products, model, prune ? [] : survey.layers, samples, common)
  notes.push(...pass.notes)
  let evaluations = 0
  let choices: Choices = {
    layers: survey.layers,
    curves: pass.curves,
    cost: budget.cost,
    fixed: fixedCost(model, survey, shapes, budget.cost),
    whole: costOfModel(rewritten.model, rewritten.shapes, budget.cost),
    keepLayer,
    multiple,
    method,
    monotone: recipe.monotone,
  }
  const asked =
    recipe.loss !== 'error'
      ? recipe.loss
      : recipe.select === 'greedy'
        ? dataset.hasLabels
          ? 'metric'
          : 'kl'
        : undefined
  if (asked && budget.kind !== 'manual' && !prune) {
    const found = await measuredLosses(runtime, products, model, context.layers, samples, upTo(batches, MEASURED), {
      ...common,
      cost: budget.cost,
      multiple: recipe.multiple,
      loss: asked,
    })
    evaluations = found.evaluations
    notes.push(`the selection looked at ${found.looked} candidates, ${found.evaluations} of them evaluated in this run`)
    choices = { ...choices, measured: found.candidates }
  }
  const before = bytes.byteLength
  const manual = budget.kind === 'manual' ? await readManual(recipe, context, budget) : undefined
  const alternative = recipe.method === 'auto' && budget.kind === 'latency'
  const channels = prune || alternative || (manual?.channels.size ?? 0) > 0
  const problem = channels ? await openPruning(context, recipe, budget) : undefined
  notes.push(...(problem?.notes ?? []))
  const planAt: PlanAt = (ratio) =>
    prune && problem ? prunePlanOrNothing(problem, choices, ratio) : planOrNothing(choices, ratio, recipe.select)
  const made = new Map<Plan, Compressed>()
  const wanted = await wantedPlans(context, recipe, budget, choices, { planAt, problem, manual, made, machine })
  const points: CompressPoint[] = []
  const refused: { target: number; reason: string }[] = []
  if (budget.kind === 'maxDrop') {
    const found = await smallestWithin(context, recipe, planAt)
    evaluations += found.evaluations
    points.push(await writePoint(context, recipe, budget, 1, { ...found, before }))
  }
  for (const { plan, target } of wanted) {
    throwIfCancelled(watch.signal)
    const compressed = made.get(plan) ?? (await compressBy(context, plan))
    const measures = await measurePoint(context, compressed)
    notes.push(...comparisonNotes(measures.comparison))
    const far = recipe.data === 'random' ? undefined : tooFar(measures.comparison)
    if (far && !recipe.force) {
      const reason = await explainRefusal(context, planAt, recipe, target, far)
      if (wanted.length === 1) throw new RefusedError(reason)
      refused.push({ target: target ?? plan.ratio, reason })
      continue
    }
    points.push(
      await writePoint(context, recipe, budget, wanted.length, {
        plan,
        compressed,
        measures,
        before,
        ...(target === undefined ? {} : { target }),
        ...(far ? { forced: far } : {}),
      }),
    )
  }
  if (points.length === 0) throw new RefusedError(refused.map(({ reason }) => reason).join('; '))
  const last = points.pop()
  if (last) {
    const layerLatency = await layerLatencies(runtime, survey.layers, last.layers, watch)
    points.push({ ...last, layerLatency })
  }
  // What comes after keeps the same samples from its fits; random ones are drawn anew.
  const next = { ...watch, ...(recipe.val === undefined && recipe.data !== 'random' ? { heldBack: kept } : {}) }
  const tuned: CompressPoint[] = []
  for (const point of points)
    tuned.push(
      recipe.finetune === undefined
        ? point
        : { ...point, tuned: await tuneCompressed(runtime, recipe, point.output, point.model, next) },
    )
  const finished = recipe.then === 'quantize' ? await quantizeAll(runtime, recipe, tuned, next) : tuned
  notes.push(...runtime.notes.splice(0), ...dataset.notes, ...refused.map(({ reason }) => reason))
  return {
    recipe,
    budget,
    points: finished,
    refused,
    rewrites: [...rewritten.applied, ...freed.applied],
    survey,
    ...(problem ? { closed: problem.closed } : {}),
    curves: pass.curves,
    floatModel: model,
    shapes,
    evaluations,
    seconds: (performance.now() - started) / 1000,
    samples: chosen.map((index) => dataset.id(index)),
    notes: [...new Set(notes)],
  }
}

interface Wanted {
  readonly plan: Plan
  readonly target?: number
}

interface Choosing {
  readonly planAt: PlanAt
  readonly problem: PruningProblem | undefined
  readonly manual: ManualPlan | undefined
  /** Models that were made to choose between plans. */
  readonly made: Map<Plan, Compressed>
  /** Names what times depend on. */
  readonly machine: string
}

async function wantedPlans(
  context: PointContext,
  recipe: CompressRecipe,
  budget: Budget,
  choices: Choices,
  { planAt, problem, manual, made, machine }: Choosing,
): Promise<Wanted[]> {
  if (budget.kind === 'maxDrop') return []
  if (manual) {
    const cut = problem ? manualChannels(problem, manual.channels) : {}
    return [{ plan: { choices: manual.choices, losses: new Map(), ratio: 1, ...cut } }]
  }
  const paired = (plans: readonly Plan[]) => plans.map((plan, i) => ({ plan, target: budget.ratios[i] ?? 1 }))
  if (budget.kind !== 'latency')
    return paired(problem ? prunePlans(problem, choices, budget) : plansFor(choices, budget.ratios, recipe.select))
  const { runtime } = context
  const timed = { ...context, key: `${context.key}|${machine}` }
  if (recipe.method === 'prune') return paired(await plansForLatency(timed, planAt, budget.ratios))
  const priced = recipe.layerTimes ? await timedChoices(timed, choices, machine) : choices
  const split: PlanAt = (ratio) => planOrNothing(priced, ratio, recipe.select)
  const cut: PlanAt = (ratio) => problem && prunePlanOrNothing(problem, choices, ratio)
  const judge = async (plan: Plan) => {
    const compressed = await compressBy(context, plan)
    made.set(plan, compressed)
    const { model } = compressed
    return (await lowestSqnrDb(runtime, context.whole.model, model, context.samples)) ?? Number.POSITIVE_INFINITY
  }
  return paired(await fastestOfBoth(timed, budget.ratios, split, problem ? cut : undefined, judge))
}

function nothingToCompress(file: string, { left }: LayerSurvey): UnsupportedError {
  const why = left.slice(0, 3).map(({ name, reason }) => `${name}: ${reason}`)
  return new UnsupportedError(
    `no layer of ${file} can be compressed: ${why.length > 0 ? why.join('; ') : 'its main graph has no Conv, Gemm or MatMul with a constant weight'}`,
    { file },
  )
}

/** @throws UsageError for a name that no layer has */
function keptLayers({ keepLayer }: CompressRecipe, { layers, left }: LayerSurvey): Set<string> {
  const names = [...layers, ...left].map((layer) => layer.name)
  for (const name of keepLayer)
    if (!names.includes(name))
      throw new UsageError(`--keep-layer ${name}: there is no such layer; the layers are ${names.join(', ')}`)
  return new Set(keepLayer)
}

/** Names the content that everything depends on: the model as given and as compressed, samples, runtime, threads. */
function contentKey(models: readonly Uint8Array[], batches: readonly Batch[], runtime: Runtime): string {
  const hash = createHash('sha256')
  for (const model of models) hash.update(model)
  for (const batch of batches)
    for (const [name, { data, dims }] of Object.entries(batch.inputs))
      hash.update(`${name}[${dims}]`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return `${hash.digest('hex').slice(0, 32)} ${runtime.name} ${runtime.version} ${runtime.threads}`
}

function upTo(batches: readonly Batch[], samples: number): Batch[] {
  let count = 0
  return batches.filter((batch) => {
    const enough = count >= samples
    count += batch.size
    return !enough
  })
}

/** @throws InputError naming the entry that is wrong */
async function readManual(recipe: CompressRecipe, { layers }: PointContext, { cost }: Budget): Promise<ManualPlan> {
  const file = recipe.manual ?? ''
  return manualPlan(await readJson(file), layers, cost, file)
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new InputError(`cannot read ${path}: ${messageOf(error)}`, { file: path })
  }
}
