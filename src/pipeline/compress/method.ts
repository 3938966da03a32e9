// A way to make a model cheaper: it finds plans for shares of the cost, and builds the model of a plan.
import type { ClosedLayer, ErrorCurves, FittedLayer } from '../../compress/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { Plan, PlansAt } from './plan.ts'
import type { Problem } from './problem.ts'

export interface Method {
  readonly name: string
  /** Does it run models to choose between candidates? Then samples are kept for that. */
  readonly judges?: boolean
  /** Looks at the model, once for all plans. */
  readonly candidates: (problem: Problem) => Promise<Candidates>
  /** Makes the model of one of its plans. */
  readonly build: (problem: Problem, plan: Plan) => Promise<Built>
}

/** What a method found out of a model. */
export interface Candidates {
  readonly plansAt: PlansAt
  readonly notes: readonly string[]
  /** Runs of a network that this took. */
  readonly evaluations: number
  /** Layer → errors at all ranks. */
  readonly curves?: ReadonlyMap<string, ErrorCurves>
  /** Layers whose channels cannot be taken out, and what holds them. */
  readonly closed?: readonly ClosedLayer[]
}

/** The model of a plan. */
export interface Built {
  readonly model: Model
  readonly layers: readonly FittedLayer[]
}
