// A range method proposes, the outputs decide: what it clips may be what the model needs, and then min-max stays.
import { report, throwIfCancelled, type Watch } from '../../base/index.ts'
import type { ShapedModel } from '../../onnx/index.ts'
import {
  gridFamilies,
  insertQdq,
  makePlan,
  type Plan,
  planOfFamilies,
  type QuantizeOptions,
} from '../../quantize/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { type Planned, planFor, type Quantization, type RangeSamples } from './build.ts'
import { probeSize } from './float-choices.ts'
import { harmless } from './harmless.ts'
import { Judge } from './judge.ts'
import { someOf } from './some-samples.ts'

/** Measurements of blocks of grids. */
const SEARCH = { blocks: 6, most: 28 }

export interface CheckedRanges {
  /** With the values that keep min-max. */
  readonly options: QuantizeOptions
  /** From the same samples. */
  readonly planned: Planned
  readonly notes: readonly string[]
}

/**
 * Which ranges of a method are kept. The whole is measured with them and with min-max at the outputs; where min-max is
 * better, blocks of grids are, alone in an otherwise float model, and only those keep the method that do no harm.
 * @returns undefined for min-max, which clips nothing that was seen
 */
export async function checkRanges(
  runtime: Runtime,
  { model, shapes }: ShapedModel,
  quantization: Quantization<RangeSamples>,
  watch: Watch = {},
): Promise<CheckedRanges | undefined> {
  const { source, options } = quantization
  if (options.range === 'minmax') return undefined
  const split = await source.samples.split()
  const { statistics, plan: proposed } = await planFor(runtime, { model, shapes }, quantization, watch)
  const replan = (values: Iterable<string>): Planned & { readonly options: QuantizeOptions } => {
    const own = { ...options, minmaxValues: new Set(values) }
    return {
      plan: makePlan(model, proposed.placement, { statistics, options: own, weightBits: proposed.weightBits }),
      statistics,
      options: own,
    }
  }
  const all = gridFamilies(proposed, model.graph.nodes)
  const minmax = replan(all.flatMap(({ values }) => values))
  // By what is clipped, the least first: those that do harm come to lie beside each other.
  const open = all
    .map((family) => ({ family, share: shareOf(proposed, minmax.plan, family.values[0] ?? '') }))
    .filter(({ share }) => share !== 1)
    .sort((a, b) => b.share - a.share)
    .map(({ family }) => family)
  const untouched = { options, planned: { plan: proposed, statistics }, notes: [] }
  if (open.length === 0) return untouched
  let measured = 0
  const measure = async (probe: Judge, plan: Plan) => {
    throwIfCancelled(watch.signal)
    report(watch, { step: 'ranges', done: measured++, total: SEARCH.most + 6 })
    return probe.noiseOf(insertQdq(model, plan), watch)
  }
  // The fitted samples judge too: what a method clips is rare, and few others show it. A method must do for both.
  const limits: { readonly probe: Judge; readonly limit: number }[] = []
  for (const validation of [false, true]) {
    const own = split.filter((each) => each.validation === validation)
    if (own.length === 0) continue
    const probe = await Judge.on(runtime, model, own)
    limits.push({ probe, limit: await measure(probe, minmax.plan) })
  }
  const isSound = async (plan: Plan) => {
    for (const { probe, limit } of limits) if (!((await measure(probe, plan)) <= limit)) return false
    return true
  }
  if (await isSound(proposed)) return untouched
  const part = await Judge.on(runtime, model, someOf(split, probeSize(shapes)))
  const kept = new Set(
    await harmless(
      open,
      (some, form) => measure(part, planOfFamilies(form === 'before' ? minmax.plan : proposed, some)),
      SEARCH,
    ),
  )
  const mixed = replan(all.filter((family) => !kept.has(family)).flatMap(({ values }) => values))
  const holds = kept.size > 0 && (await isSound(mixed.plan))
  const { options: own, ...planned } = holds ? mixed : minmax
  const count = holds ? kept.size : 0
  return {
    options: own,
    planned,
    notes: [
      `${options.range}: ${count} of ${open.length} ranges kept; the others clip what the outputs need, and are min-max`,
    ],
  }
}

/** How much of the min-max range a proposal covers. */
function shareOf(proposed: Plan, minmax: Plan, value: string): number {
  const [now, before] = [proposed.activations.get(value), minmax.activations.get(value)]
  if (!now || !before || before.high === before.low) return 1
  return (now.high - now.low) / (before.high - before.low)
}
