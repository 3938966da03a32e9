// One quantised model from one float model: placement, ranges, plan, Q/DQ.
import type { Watch } from '../../base/index.ts'
import { calibrate, rangeSettingOf, type TensorStatistics } from '../../calibrate/index.ts'
import type { Model, ShapedModel } from '../../onnx/index.ts'
import {
  insertQdq,
  layersIn,
  makePlan,
  type Placement,
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

/** Samples that ranges come from, those that are held back among them or not. */
export interface RangeSamples {
  readonly samples: CalibrationSamples
  readonly withValidation: boolean
}

/** Where ranges come from: samples, or statistics that are known already. */
export type RangeSource = RangeSamples | ((wanted: readonly string[]) => ReadonlyMap<string, TensorStatistics>)

/** Ends that a value may reach beyond what was seen of it, where something is known. */
export type WidestReach = (value: string) => { readonly low: number; readonly high: number } | undefined

/** How a float model is quantised. */
export interface Quantization<S extends RangeSource = RangeSource> {
  readonly source: S
  readonly options: QuantizeOptions
  readonly reach?: WidestReach | undefined
}

/** Quantises a float model as it is. */
export async function buildQuantized(
  runtime: Runtime,
  shaped: ShapedModel,
  quantization: Quantization,
  watch: Watch = {},
): Promise<Built> {
  const planned = await planFor(runtime, shaped, quantization, watch)
  const made = insertQdq(shaped.model, planned.plan)
  return { model: runtime.stow?.(made) ?? made, ...planned }
}

/** Placement and grids of a float model. */
export async function planFor(
  runtime: Runtime,
  { model, shapes }: ShapedModel,
  { source, options, reach }: Quantization,
  watch: Watch = {},
): Promise<Planned> {
  const placement = place(model, options, typesOf(model))
  const weightBits = weightBitsOf(layersIn(model, placement.layers), model.graph.nodes, options)
  const histogram = rangeSettingOf(options.range).needsHistogram
  const observed = tensorsToObserve(placement, options.given)
  const requests = observed.map(({ value, bounds }) => ({
    value,
    histogram,
    nonNegative: bounds.low >= 0,
  }))
  const seen =
    requests.length === 0
      ? new Map<string, TensorStatistics>()
      : typeof source === 'function'
        ? source(requests.map(({ value }) => value))
        : await calibrate(runtime, model, source.samples.all(source.withValidation), {
            ...watch,
            requests,
            shapes,
            total: source.withValidation ? source.samples.indices.length : source.samples.fitting,
          })
  const statistics = reach ? widened(seen, ofGrids(reach, placement)) : seen
  return { plan: makePlan(model, placement, { statistics, options, weightBits }), statistics }
}

/** The reach of all values that share a grid. */
function ofGrids(reach: WidestReach, { tensors }: Placement): WidestReach {
  const ends = new Map<string, { readonly low: number; readonly high: number }>()
  for (const { value, gridOf } of tensors.values()) {
    const [own, known] = [reach(value), ends.get(gridOf)]
    if (!own) continue
    ends.set(gridOf, known ? { low: Math.min(known.low, own.low), high: Math.max(known.high, own.high) } : own)
  }
  return (value) => ends.get(value)
}

/** Margins that hold a reach. */
function widened(seen: ReadonlyMap<string, TensorStatistics>, reach: WidestReach): Map<string, TensorStatistics> {
  return new Map(
    [...seen].map(([value, known]) => {
      const ends = reach(value)
      if (!ends) return [value, known]
      const low = Math.max(known.margin?.low ?? 0, known.min - ends.low)
      const high = Math.max(known.margin?.high ?? 0, ends.high - known.max)
      return [value, { ...known, margin: { low, high } }]
    }),
  )
}
