// --prefer speed: what is faster in float on this machine stays float. Both forms are profiled, a minimum cut chooses between them with
// every conversion counted, and whole models decide in the end.
import { report, throwIfCancelled, type Watch } from '../../base/index.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import {
  Forms,
  type FormTimes,
  insertQdq,
  makePlan,
  type Placement,
  place,
  type QuantizeOptions,
} from '../../quantize/index.ts'
import { typesOf, type Values } from '../../runtime/index.ts'
import { conversionTimes, type ProfilingClock, profiled, timed } from './clock.ts'

/** What was chosen by time. */
export interface FasterPlacement {
  /** Nodes that stay float; undefined: all of them, because no part in integers makes the model faster. */
  readonly slowNodes: ReadonlyMap<string, string> | undefined
  readonly speed: SpeedChoice
}

/** Whole models, timed in turn; milliseconds for the fed batch. */
export interface SpeedChoice {
  readonly runtime: string
  readonly threads: number
  readonly batch: number
  readonly floatMs: number
  /** Everything in integers that can be. */
  readonly integerMs: number
  /** The choice, as the times of single nodes foretold it, and as it was measured. */
  readonly predictedMs: number
  readonly chosenMs: number
  /** Nodes that could run in integers, and those that do. */
  readonly nodes: { readonly able: number; readonly integer: number }
}

/** A model with a part of its nodes in float. */
interface Mix {
  readonly floats: ReadonlySet<string>
  readonly model: Model
  readonly predictedMs: number
}

type NodeTimes = Pick<FormTimes, 'float' | 'integer'>

/** Mixed models that are profiled: what a border really costs is known after the first. */
const MIXES = 5
/** A part in integers must be faster than float by this much: less is chance. */
const LEAST_GAIN = 0.03
/** Times this near each other are the same. */
const AS_FAST = 0.02

/** What is to be quantised, and one run as it is to be timed. */
export interface Timeable {
  readonly model: Model
  readonly shapes: Shapes
  readonly feeds: Values
  readonly batch: number
  /** Nodes that are known to be slower in integers on such a target: a part to begin with. */
  readonly usual: ReadonlySet<string>
}

/**
 * Chooses the nodes that stay float because the target is faster with them.
 * @returns undefined where nothing could run in integers
 * @throws UnsupportedError when the target's runtime does not load the model, CancelledError
 */
export async function fasterPlacement(
  clock: ProfilingClock,
  given: Timeable,
  options: QuantizeOptions,
  watch: Watch,
): Promise<FasterPlacement | undefined> {
  const placement = place(given.model, options, typesOf(given.model))
  if (placement.layers.size === 0) return undefined
  const able = placement.integer.size
  const { mixes, profiledMs } = await mixesOf(clock, given, { placement, options }, (done) => {
    throwIfCancelled(watch.signal)
    report(watch, { step: 'time-layers', done, total: MIXES + 3 })
  })
  const times = await timed(clock.runtime, [given.model, ...mixes.map((mix) => mix.model)], given.feeds)
  const [floatMs = 0, ...others] = times
  const best = smallestOf(mixes, others)
  const chosen = mixes[best]
  const gains = chosen !== undefined && (await stillFaster(clock, given, chosen, (others[best] ?? 0) / floatMs))
  const chosenMs = others[best] ?? 0
  return {
    slowNodes: gains ? slowNodeReasons(chosen.floats) : undefined,
    speed: {
      runtime: clock.runtime.name,
      threads: clock.runtime.threads,
      batch: given.batch,
      floatMs,
      integerMs: others[0] ?? 0,
      // Profiles count kernels, a run also what lies between them: foretold is the share of float's time.
      predictedMs: gains ? (floatMs * chosen.predictedMs) / profiledMs : floatMs,
      chosenMs: gains ? chosenMs : floatMs,
      nodes: { able, integer: gains ? able - chosen.floats.size : 0 },
    },
  }
}

/** Models with all in integers, and with parts that profiles recommend; and what the kernels of the float model take. */
async function mixesOf(
  clock: ProfilingClock,
  { model, shapes, feeds, batch, usual }: Timeable,
  { placement, options }: { readonly placement: Placement; readonly options: QuantizeOptions },
  step: (done: number) => void,
): Promise<{ readonly mixes: readonly Mix[]; readonly profiledMs: number }> {
  const types = typesOf(model)
  const forms = new Forms(model, placement, options, types)
  const [none, all] = [new Set<string>(), placement.integer]
  step(0)
  const conversion = await conversionTimes(clock)
  const float = await profiled(clock, model, model, feeds)
  step(1)
  const integerModel = withRoughGrids(model, placement, options)
  const integer = await profiled(clock, model, integerModel, feeds)
  const sized = (value: string) => (shapes.get(value)?.dims ?? []).reduce((a, b) => a * b, batch)
  const at = (factor: number, nodes: NodeTimes): FormTimes => ({
    ...nodes,
    quantize: (value) => factor * conversion.quantize(sized(value)),
    dequantize: (value) => factor * conversion.dequantize(sized(value)),
  })
  let nodes: NodeTimes = { float: float.nodes, integer: integer.nodes }
  const plain = at(1, nodes)
  const rest = float.totalMs - forms.milliseconds(all, at(0, nodes))
  const mixes: Mix[] = [{ floats: none, model: integerModel, predictedMs: integer.totalMs }]
  // What a border costs in a mix lies somewhere between a conversion alone and what the model in integers pays for all of its own.
  const factors = [ratio(integer.others, forms.borders(none, plain)), 1]
  for (let tried = usual.size > 0 ? -1 : 0; mixes.length <= MIXES; tried++) {
    const factor = factors[Math.max(0, tried)]
    if (factor === undefined) break
    const times = at(factor, nodes)
    const floats = tried === -1 ? usual : forms.fastest(times).floats
    if (floats.size === all.size || mixes.some((mix) => sameSet(mix.floats, floats))) continue
    step(1 + mixes.length)
    const made = place(model, { ...options, slowNodes: slowNodeReasons(floats) }, types)
    const mixed = withRoughGrids(model, made, options)
    mixes.push({ floats, model: mixed, predictedMs: rest + forms.milliseconds(floats, times) })
    const seen = await profiled(clock, model, mixed, feeds)
    factors.push(ratio(seen.others, forms.borders(floats, plain)))
    nodes = learned(nodes, seen.nodes, floats, all)
  }
  step(MIXES + 2)
  return { mixes, profiledMs: float.totalMs }
}

/** Of several that are timed the best was lucky, too: it must be faster a second time, beside float alone. */
async function stillFaster({ runtime }: ProfilingClock, { model, feeds }: Timeable, mix: Mix, share: number) {
  if (!(share < 1 - LEAST_GAIN)) return false
  const [floatMs = 0, mixedMs = 0] = await timed(runtime, [model, mix.model], feeds)
  return mixedMs < (1 - LEAST_GAIN / 2) * floatMs
}

/** The fastest; of those that are as fast the one with most in integers, which is the smallest file. */
function smallestOf(mixes: readonly Mix[], times: readonly number[]): number {
  const least = Math.min(...times)
  const fast = mixes.map((_, index) => index).filter((index) => (times[index] ?? 0) <= (1 + AS_FAST) * least)
  const floats = (index: number) => mixes[index]?.floats.size ?? 0
  return fast.reduce((best, index) => (floats(index) < floats(best) ? index : best))
}

const WHY = 'it is faster in float on this machine'

/** Why nodes stay float that were chosen by time. */
export const slowNodeReasons = (names: Iterable<string>): Map<string, string> =>
  new Map(Array.from(names, (name) => [name, WHY] as const))

const sameSet = (a: ReadonlySet<string>, b: ReadonlySet<string>) => a.size === b.size && [...a].every((x) => b.has(x))

/** What conversions and changes of layout really take, against what conversions alone take. */
const ratio = (seen: number, conversions: number) => (conversions > 0 ? Math.max(1, seen / conversions) : 1)

/** Times of nodes as they are in a mixed model, where it tells them. */
function learned(
  { float, integer }: NodeTimes,
  seen: Readonly<Record<string, number>>,
  floats: ReadonlySet<string>,
  able: ReadonlySet<string>,
): NodeTimes {
  const of = (wanted: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(seen).filter(([name]) => able.has(name) && wanted(name)))
  return {
    float: { ...float, ...of((name) => floats.has(name)) },
    integer: { ...integer, ...of((name) => !floats.has(name)) },
  }
}

/** Q/DQ with grids of the right kind and any range: time does not depend on it. */
function withRoughGrids(model: Model, placement: Placement, options: QuantizeOptions): Model {
  const statistics = new Map(
    [...placement.tensors.values()].map(({ value, bounds }): [string, TensorStatistics] => [
      value,
      { count: 1, nonFinite: 0, zeros: 0, min: Math.max(-1, bounds.low), max: Math.min(1, bounds.high) },
    ]),
  )
  return insertQdq(model, makePlan(model, placement, { statistics, options }))
}
