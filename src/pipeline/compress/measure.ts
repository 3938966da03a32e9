// What is measured of compressed models: times and scores that choices go by, and everything that a result is told by.
import { report, sizeOf } from '../../base/index.ts'
import { type Comparison, compareSessions, textOutputOf } from '../../metrics/index.ts'
import { byteLengthOf, layersOf, type Model, macsOf, peakBytes, type Shapes } from '../../onnx/index.ts'
import { type Latency, measureModels, observeShapes, withSession } from '../../runtime/index.ts'
import type { Measure } from './budget.ts'
import type { Compressed } from './build.ts'
import { type Plan, planName } from './plan.ts'
import type { Problem, Share } from './problem.ts'
import { skeleton } from './skeleton.ts'
import { remembered, timeShare } from './timing.ts'

/** What was measured of a result against the original. */
export interface PointMeasures {
  readonly comparison: Comparison
  readonly latency: { readonly before: Latency; readonly after: Latency }
  readonly macs: { readonly before: number; readonly after: number }
  readonly parameters: { readonly before: number; readonly after: number }
  /** Bytes of the values between the nodes at the worst moment, for one sample. */
  readonly activationBytes: { readonly before: number; readonly after: number }
}

/** The measuring of a search, with the number of models that it has compared so far. */
export function measureFor(
  problem: Problem,
  build: (plan: Plan) => Promise<Compressed>,
): Measure & { readonly compared: () => number } {
  const { runtime, original, sample, cache, key, host, judge } = problem
  let count = 0
  return {
    hasLabels: judge.hasLabels,
    time: (plan, round) => {
      const name = `${key}|${host.machine?.name ?? ''}|latency of|${planName(plan)}|${round}`
      return remembered(cache, name, () => timeShare(runtime, original, skeleton(problem, plan), sample))
    },
    compare: async (plan) => {
      count++
      return compareOn(problem, await build(plan), judge)
    },
    compared: () => count,
  }
}

/** Compares a result with the original on some samples. */
export function compareOn(problem: Problem, { bytes }: Pick<Compressed, 'bytes'>, share: Share): Promise<Comparison> {
  const { runtime, original, shapes, progress, signal } = problem
  const options = { progress, signal, total: share.size, text: textOutputOf(original) }
  return withSession(runtime, original, { label: 'the model' }, (first) =>
    withSession(runtime, bytes, { label: 'the compressed model' }, (second) =>
      compareSessions(first, second, share.batches(original, shapes, { progress, signal }), options),
    ),
  )
}

/** Compares with the original on the samples of the report, times both in turn, counts what is left. */
export async function measurePoint(problem: Problem, result: Compressed, share: Share): Promise<PointMeasures> {
  const { runtime, original, whole, sample, progress, signal } = problem
  const { bytes, model } = result
  const shapes = await observeShapes(runtime, model, sample, 'the compressed model')
  const comparison = await compareOn(problem, result, share)
  report({ progress, signal }, { step: 'latency', done: 0, total: 1 })
  return {
    comparison,
    latency: await measureModels(runtime, [original, bytes], sample),
    macs: { before: countMacs(whole.model, whole.shapes), after: countMacs(model, shapes) },
    parameters: { before: countParameters(original), after: countParameters(model) },
    activationBytes: {
      before: activationBytesOf(problem.model, problem.shapes),
      after: activationBytesOf(model, shapes),
    },
  }
}

/** Multiply-accumulates of all layers for one sample. */
function countMacs(model: Model, shapes: Shapes): number {
  return layersOf(model).reduce((sum, layer) => sum + (macsOf(layer, shapes) ?? 0), 0)
}

function activationBytesOf(model: Model, shapes: Shapes): number {
  return peakBytes(model.graph, (value) => {
    const { dims, dtype } = shapes.get(value) ?? {}
    return (dims && dtype && byteLengthOf(dtype, sizeOf(dims))) || 0
  })
}

function countParameters(model: Model): number {
  let count = 0
  for (const tensor of model.graph.initializers.values()) if (/^b?float/.test(tensor.dtype)) count += tensor.size
  return count
}
