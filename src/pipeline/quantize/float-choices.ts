// What stays float where one grid costs most: the loudest grids are found one at a time in an otherwise float model, and left out
// as far as it pays.
import { report, throwIfCancelled, type Watch } from '../../base/index.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import { elementsOf, isExpensive, type Layer, macsOf, type ShapedModel, type Shapes } from '../../onnx/index.ts'
import { type GridFamily, gridFamilies, insertQdq, layersIn, type Plan, planOfFamilies } from '../../quantize/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { Planned, RangeSource } from './build.ts'
import type { SplitBatch } from './calibration-samples.ts'
import { Judge, type Score } from './judge.ts'
import { type Loud, loudest } from './loudest.ts'

/** A model with outputs as good as this has no grid that kills it. */
export const SOUND_DB = 20
/** What staying float must bring at least, in dB. */
export interface Prices {
  /** In all: an integer form that costs less stays. */
  readonly least: number
  /** A hundredth of the multiplications in float. */
  readonly perHundredth: number
  /** Each grid less: conversions and float operators around it take time too. */
  readonly perGrid: number
}

export const PRICES: Prices = { least: 3, perHundredth: 0.6, perGrid: 0.05 }
/** Where accuracy goes before speed and size. */
export const WHATEVER: Prices = { least: 0.5, perHundredth: 0, perGrid: 0 }
/** Below this a model does no job at all, and how fast it is does not matter. */
const ALIVE_DB = 10
/** Share of the multiplications that may stay float for it. */
const MOST_FLOAT = 0.3
/** More than any price. */
const WHATEVER_IT_COSTS = 1000
/** Steps between the choices that are tried, in dB of expected noise, and their number. */
const STEP_DB = 3
const MOST_CHOICES = 6
/** Measurements of blocks of grids; fewer where a single sample takes long. */
const HALVING = { blocks: 16, most: 56 }
const SHORT_HALVING = { blocks: 8, most: 16 }
/** Samples that a measurement runs at most, and elements of all their values. */
const PROBED = 8
const ELEMENTS = 64e6

/** Values that could stay float. */
export interface FloatChoice {
  readonly values: ReadonlySet<string>
  readonly grids: number
  /** Share of the multiplications that stay float with them. */
  readonly share: number
}

/** A float model with the grids that were made for it. */
export interface PlannedModel extends ShapedModel {
  readonly plan: Plan
}

/** How many samples a measurement of a block takes: few, and one where maps are large. */
export function probeSize(shapes: Shapes): number {
  return Math.max(1, Math.min(PROBED, Math.floor(ELEMENTS / (1 + elementsOf(shapes)))))
}

/**
 * Sets of values that may stay float, each with more than the one before; none where no few grids stand out.
 * @param probe samples that no range was taken from: what clips new values is loud too
 */
export async function floatChoices(
  runtime: Runtime,
  { model, shapes, plan }: PlannedModel,
  probe: readonly SplitBatch[],
  watch: Watch,
): Promise<FloatChoice[]> {
  const families = gridFamilies(plan, model.graph.nodes)
  const samples = await Judge.on(runtime, model, probe)
  const halving = isExpensive(shapes) ? SHORT_HALVING : HALVING
  let measured = 0
  const noiseOf = async (some: readonly GridFamily[]) => {
    throwIfCancelled(watch.signal)
    report(watch, { step: 'grids', done: measured++, total: halving.most })
    return samples.noiseOf(insertQdq(model, planOfFamilies(plan, some)), watch)
  }
  const { loud, total } = await loudest(families, noiseOf, halving)
  return nestedChoices(loud, total, macShares(layersIn(model, plan.placement.layers), shapes))
}

/** Each layer's part of the multiplications. */
export function macShares(layers: readonly Layer[], shapes: Shapes): ReadonlyMap<string, number> {
  const macs = new Map(layers.map((layer) => [layer.name, macsOf(layer, shapes) ?? 0] as const))
  let all = 0
  for (const count of macs.values()) all += count
  return new Map([...macs].map(([name, count]) => [name, all === 0 ? 0 : count / all]))
}

/** By noise for its price, one after the other; a choice wherever the noise that is left has fallen by a step. */
function nestedChoices(
  loud: readonly Loud<GridFamily>[],
  total: number,
  shareOf: ReadonlyMap<string, number>,
): FloatChoice[] {
  const choices: FloatChoice[] = []
  const values = new Set<string>()
  const floats = new Set<string>()
  const open = [...loud]
  let left = total
  let [share, grids] = [0, 0]
  let tried = total
  const priceOf = (members: readonly GridFamily[]) => {
    const layers = new Set(members.flatMap((family) => family.layers))
    return [...layers].reduce((sum, name) => sum + (floats.has(name) ? 0 : (shareOf.get(name) ?? 0)), 0)
  }
  while (open.length > 0 && choices.length < MOST_CHOICES) {
    const worth = ({ members, share: noise }: Loud<GridFamily>) => noise / (0.01 + priceOf(members))
    const next = open.reduce((best, each) => (worth(each) > worth(best) ? each : best))
    open.splice(open.indexOf(next), 1)
    const price = priceOf(next.members)
    if (share + price > MOST_FLOAT) continue
    for (const family of next.members) {
      for (const value of family.values) values.add(value)
      for (const name of family.layers) floats.add(name)
    }
    share += price
    grids += next.members.length
    left = Math.max(0, left - next.share)
    if (left > tried * 10 ** (-STEP_DB / 10)) continue
    tried = left
    choices.push({ values: new Set(values), grids, share })
  }
  // What is left over is worth a trial of its own.
  if (grids > (choices.at(-1)?.grids ?? 0) && left < tried) choices.push({ values, grids, share })
  return choices
}

/** What is tried and how it did. */
export interface Tried<T> {
  readonly choice: FloatChoice
  readonly built: T
  readonly score: Score
}

/**
 * Tries the choices in order and takes the one that gains most for what it costs in speed; of a model that does no job any more the
 * cheapest in that sense of those that do one, whatever it costs.
 * @returns undefined when none gains enough
 */
export async function bestChoice<T>(
  choices: readonly FloatChoice[],
  before: Score,
  build: (choice: FloatChoice) => Promise<{ readonly built: T; readonly score: Score }>,
  { least, perHundredth, perGrid }: Prices = PRICES,
): Promise<{ readonly best?: Tried<T>; readonly kept: boolean }> {
  const revives = ({ score }: Tried<T>) => before.db < ALIVE_DB && score.db >= ALIVE_DB
  const worth = (tried: Tried<T>) => {
    const { choice, score } = tried
    if (Number.isNaN(score.db)) return Number.NEGATIVE_INFINITY
    const price = perHundredth * 100 * choice.share + perGrid * choice.grids
    return score.db - price + (revives(tried) ? WHATEVER_IT_COSTS : 0)
  }
  let best: Tried<T> | undefined
  for (const choice of choices) {
    const tried = { choice, ...(await build(choice)) }
    if (best === undefined || worth(tried) > worth(best)) best = tried
  }
  const kept = best !== undefined && worth(best) > before.db && best.score.db - before.db >= least
  return { ...(best ? { best } : {}), kept }
}

/**
 * Ranges that are known already; a value that shared a grid which is gone takes the range it had there. Once everything is decided,
 * ranges are taken anew.
 */
export function knownRanges({ plan, statistics }: Planned): RangeSource {
  return (wanted) =>
    new Map(
      wanted.flatMap((value): [string, TensorStatistics][] => {
        const known = statistics.get(value) ?? statistics.get(plan.placement.tensors.get(value)?.gridOf ?? '')
        return known ? [[value, known]] : []
      }),
    )
}
