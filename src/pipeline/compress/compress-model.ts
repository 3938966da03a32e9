// A compression from a model and samples in memory to smaller models: what happens to a model, in order.
import { RefusedError, throwIfCancelled } from '../../base/index.ts'
import {
  type ClosedLayer,
  type ErrorCurves,
  type FitProducts,
  fitProducts,
  type LayerSurvey,
} from '../../compress/index.ts'
import { comparisonNotes } from '../../metrics/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import type { AppliedRewrite } from '../../rewrite/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { builderOf, type Compressed } from './build.ts'
import { choosePlans } from './choose-plans.ts'
import { compareOn, measureFor, measurePoint, type PointMeasures } from './measure.ts'
import type { Candidates } from './method.ts'
import type { CompressModelOptions } from './options.ts'
import type { Plan } from './plan.ts'
import { prepare } from './prepare.ts'
import type { CompressSamples, Share } from './problem.ts'
import { explainRefusal } from './refusal.ts'

/** One result: the model of a plan, and how it does. */
export interface CompressedModel extends Compressed {
  /** The share that was asked for; absent where none is. */
  readonly target?: number
  readonly plan: Plan
  /** Why it was handed out only because of `force`. */
  readonly forced?: string
}

/** A result that was measured, because there were samples to report on. */
export interface MeasuredModel extends CompressedModel {
  readonly measures: PointMeasures
}

/** Everything that a compression knows at its end. */
export interface CompressOutcome<Point extends CompressedModel = CompressedModel> {
  readonly points: readonly Point[]
  /** Targets whose results were refused while others were not. */
  readonly refused: readonly { readonly target: number; readonly reason: string }[]
  readonly rewrites: readonly AppliedRewrite[]
  readonly survey: LayerSurvey
  /** Layers whose channels could not be taken out, and what holds them, where that was looked at. */
  readonly closed?: readonly ClosedLayer[]
  readonly curves: ReadonlyMap<string, ErrorCurves>
  /** The model that methods worked on. */
  readonly floatModel: Model
  readonly shapes: Shapes
  /** Runs of a network that choices took. */
  readonly evaluations: number
  readonly notes: readonly string[]
}

export interface CompressEvents {
  /** Is handed each result as soon as it is there. */
  readonly onResult?: (point: CompressedModel) => Promise<void>
}

/**
 * Compresses a model in memory by methods under a budget. The given model is not changed.
 * @throws RefusedError when the budget cannot be met or no result does its job any more; UsageError, InputError,
 * UnsupportedError, CancelledError
 */
export function compressModel(
  runtime: Runtime,
  model: Model,
  samples: CompressSamples & { readonly report: Share },
  options: CompressModelOptions & CompressEvents,
): Promise<CompressOutcome<MeasuredModel>>
export function compressModel(
  runtime: Runtime,
  model: Model,
  samples: CompressSamples,
  options: CompressModelOptions & CompressEvents,
): Promise<CompressOutcome>
export async function compressModel(
  runtime: Runtime,
  model: Model,
  samples: CompressSamples,
  options: CompressModelOptions & CompressEvents,
): Promise<CompressOutcome> {
  const products = fitProducts(runtime)
  try {
    return await run(runtime, products, { model, samples, options })
  } finally {
    await products.close()
  }
}

interface Given {
  readonly model: Model
  readonly samples: CompressSamples
  readonly options: CompressModelOptions & CompressEvents
}

async function run(
  runtime: Runtime,
  products: FitProducts,
  { model, samples, options }: Given,
): Promise<CompressOutcome> {
  const { budget, methods, signal } = options
  const { problem, rewrites, notes } = await prepare({ runtime, products }, model, samples, options)
  const known: Candidates[] = []
  for (const method of methods) known.push(await method.candidates(problem))
  const build = builderOf(problem, methods)
  const measure = measureFor(problem, build)
  const plans = await choosePlans(budget, known, measure, problem)
  const points: CompressedModel[] = []
  const refused: { target: number; reason: string }[] = []
  const told: string[] = []
  for (const [index, plan] of plans.entries()) {
    throwIfCancelled(signal)
    const target = budget.targets[index]
    const made = await build(plan)
    const measures = samples.report && (await measurePoint(problem, made, samples.report))
    if (measures) told.push(...comparisonNotes(measures.comparison))
    const far = measures && budget.looksAt !== 'scores' ? options.refuse?.(measures.comparison) : undefined
    if (far && !options.force) {
      const plansAt = known[methods.findIndex(({ name }) => name === plan.method)]?.plansAt ?? (() => [])
      const compare = async (milder: Plan) => compareOn(problem, await build(milder), samples.report ?? samples.judge)
      const reason = await explainRefusal({ budget, target, far, plansAt, compare })
      refused.push({ target: target ?? plan.ratio, reason })
      continue
    }
    const point: CompressedModel | MeasuredModel = {
      ...{ ...made, plan },
      ...(target === undefined ? {} : { target }),
      ...(measures ? { measures } : {}),
      ...(far ? { forced: far } : {}),
    }
    points.push(point)
    await options.onResult?.(point)
  }
  if (points.length === 0) throw new RefusedError(refused.map(({ reason }) => reason).join('; '))
  const closed = known.find((each) => each.closed)?.closed
  return {
    ...{ points, refused, rewrites, survey: problem.survey },
    ...(closed ? { closed } : {}),
    curves: known.find(({ curves }) => curves)?.curves ?? new Map(),
    ...{ floatModel: problem.model, shapes: problem.shapes },
    evaluations: known.reduce((sum, { evaluations }) => sum + evaluations, 0) + measure.compared(),
    notes: [...notes, ...known.flatMap((each) => each.notes), ...told],
  }
}
