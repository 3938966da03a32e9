// One quantised model from one float model: placement, ranges, plan, Q/DQ.
import type { Watch } from '../../base/index.ts'
import { calibrate, rangeSettingOf, type TensorStatistics } from '../../calibrate/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import {
  insertQdq,
  makePlan,
  ortCpu,
  type Plan,
  place,
  type QuantizeOptions,
  tensorsToObserve,
  weightBitsOf,
} from '../../quantize/index.ts'
import { type Runtime, typesOf } from '../../runtime/index.ts'
import type { CalibrationSamples } from './calibration-samples.ts'

export interface Built extends Planned {
  readonly model: Model
}

export interface Planned {
  readonly plan: Plan
  /** What the activation grids were made from. */
  readonly statistics: ReadonlyMap<string, TensorStatistics>
}

/** Where ranges come from: samples, or statistics that are known already. */
export type RangeSource =
  | { readonly samples: CalibrationSamples; readonly withHeld: boolean }
  | ((wanted: readonly string[]) => ReadonlyMap<string, TensorStatistics>)

/** Quantises a float model as it is. */
export async function buildQuantized(
  runtime: Runtime,
  model: Model,
  shapes: Shapes,
  source: RangeSource,
  options: QuantizeOptions,
  watch: Watch = {},
): Promise<Built> {
  const planned = await planFor(runtime, model, shapes, source, options, watch)
  return { model: insertQdq(model, planned.plan), ...planned }
}

/** Placement and grids of a float model. */
export async function planFor(
  runtime: Runtime,
  model: Model,
  shapes: Shapes,
  source: RangeSource,
  options: QuantizeOptions,
  watch: Watch = {},
): Promise<Planned> {
  const placement = place(model, ortCpu, options, typesOf(model))
  const weightBits = weightBitsOf(placement, model.graph.nodes, options)
  const histogram = rangeSettingOf(options.range).needsHistogram
  const observed = tensorsToObserve(placement)
  const requests = observed.map(({ value, bounds }) => ({
    value,
    histogram,
    nonNegative: bounds.low >= 0,
  }))
  const statistics =
    requests.length === 0
      ? new Map<string, TensorStatistics>()
      : typeof source === 'function'
        ? source(requests.map(({ value }) => value))
        : await calibrate(runtime, model, source.samples.all(source.withHeld), requests, {
            ...watch,
            shapes,
            total: source.withHeld ? source.samples.indices.length : source.samples.fitting,
          })
  return { plan: makePlan(placement, statistics, options, weightBits), statistics }
}
