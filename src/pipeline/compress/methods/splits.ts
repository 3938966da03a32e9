// Low-rank splits: each layer at the rank, and in the form, that loses least for a share of the cost.
import { UnsupportedError } from '../../../base/index.ts'
import { type FittedLayer, refitModel, type SplitFamily, splitPlainly } from '../../../compress/index.ts'
import type { Batch } from '../../../data/index.ts'
import { GraphEditor } from '../../../onnx/index.ts'
import { type Choices, fixedCost, splitPlans } from '../choices.ts'
import { contentOf } from '../content.ts'
import { selectionCurves } from '../curves.ts'
import { POSITIONS } from '../fit-targets.ts'
import { measuredLosses } from '../measured-loss.ts'
import type { Built, Candidates, Method } from '../method.ts'
import { isRefusal, type Plan } from '../plan.ts'
import type { Problem } from '../problem.ts'
import { timedChoices } from '../timed-layers.ts'

export interface SplitOptions {
  readonly family: SplitFamily
  readonly select: 'knapsack' | 'greedy'
  /** Closed-form errors, or a loss measured with one layer compressed; `usual`: of the metric where there are labels, else KL. */
  readonly loss: 'error' | 'kl' | 'metric' | 'usual'
  /** Losses are made to rise with strength before the choice. */
  readonly monotone: boolean
  /** Costs are measured times of single layers. */
  readonly layerTimes: boolean
}

const PLAIN_CHOICE = { select: 'knapsack', loss: 'error', monotone: false, layerTimes: false } as const

/** Layers as products of two smaller ones (arXiv 1405.3866, 1404.0736), fitted to samples. */
export function splitMethod(given: Partial<SplitOptions> = {}): Method {
  const options: SplitOptions = { family: 'auto', ...PLAIN_CHOICE, ...given }
  return {
    name: 'splits',
    judges: options.loss !== 'error',
    candidates: (problem) => splitCandidates(problem, options),
    build: buildSplits,
  }
}

async function splitCandidates(problem: Problem, options: SplitOptions): Promise<Candidates> {
  refuseEmpty(problem)
  const { survey, model, shapes, cost, wholeCost, keepLayers, multiple } = problem
  const { curves, notes } = await selectionCurves(problem, options.family)
  const measured = await lossesOf(problem, options)
  const choices: Choices = {
    ...options,
    ...{ layers: survey.layers, curves, cost, keepLayers, multiple, whole: wholeCost },
    fixed: fixedCost(model, survey, shapes, cost),
    ...(measured ? { measured: measured.candidates } : {}),
  }
  const priced = options.layerTimes ? await timedChoices(problem, choices) : choices
  return {
    plansAt: (ratios) =>
      splitPlans(priced, ratios).map((plan) => (isRefusal(plan) ? plan : { method: 'splits', channels: {}, ...plan })),
    notes: [...notes, ...(measured ? [measured.note] : [])],
    evaluations: measured?.evaluations ?? 0,
    curves,
  }
}

/** Samples of a measured loss. */
const MEASURED = 256

async function lossesOf(problem: Problem, { family, loss }: SplitOptions) {
  if (loss === 'error') return undefined
  const { judge, model, shapes, host } = problem
  const batches: Batch[] = []
  let count = 0
  for await (const batch of judge.batches(model, shapes, problem)) {
    if (count >= MEASURED) break
    batches.push(batch)
    count += batch.size
  }
  const { candidates, evaluations, looked } = await measuredLosses(problem, {
    ...{ family, batches, samples: host.memory?.digest(contentOf(batches)) ?? '' },
    loss: loss === 'usual' ? (judge.hasLabels ? 'metric' : 'kl') : loss,
  })
  const note = `the selection looked at ${looked} candidates, ${evaluations} of them evaluated in this run`
  return { candidates, evaluations, note }
}

/** Splits the layers of a plan and fits all of them, also those that keep their form: that costs nothing at run time. */
export function buildSplits(problem: Problem, plan: Plan): Promise<Built> {
  return problem.plain ? splitByWeights(problem, plan) : fitSplits(problem, plan)
}

async function fitSplits(problem: Problem, { splits }: Plan): Promise<Built> {
  const { runtime, products, model, layers, fit, shapes, seed, progress, signal, host } = problem
  const options = {
    ...{ products, layers, shapes, seed, perSample: POSITIONS, progress, signal },
    ...{ plan: new Map(Object.entries(splits)), batches: fit },
  }
  const refit = (more = {}) => refitModel(runtime, model, { ...options, ...more })
  return host.withSpill ? host.withSpill((spill) => refit({ spill })) : refit()
}

async function splitByWeights({ products, model, layers }: Problem, { splits }: Plan): Promise<Built> {
  const choices = new Map(Object.entries(splits))
  const editor = new GraphEditor(model)
  const results: FittedLayer[] = []
  for (const layer of layers) {
    const choice = choices.get(layer.name)
    results.push(choice ? await splitPlainly(products, editor, layer, choice) : { name: layer.name, error: 0 })
  }
  return { model: editor.finish(), layers: results }
}

/** @throws UnsupportedError when the model has no layer that can be split, with the reasons */
export function refuseEmpty({ survey: { layers, left }, label }: Problem): void {
  if (layers.length > 0) return
  const why = left.slice(0, 3).map(({ name, reason }) => `${name}: ${reason}`)
  throw new UnsupportedError(
    `no layer of ${label} can be compressed: ${why.length > 0 ? why.join('; ') : 'its main graph has no Conv, Gemm or MatMul with a constant weight'}`,
    { file: label },
  )
}
