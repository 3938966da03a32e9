// A plan by hand: a JSON object that says for each layer what it becomes.
import { InputError } from '../../../base/index.ts'
import {
  type CompressibleLayer,
  type CostModel,
  type LayerChoice,
  maxRank,
  type PruningOrder,
  rankForRatio,
  type SplitFamily,
  type SplitName,
  splits,
} from '../../../compress/index.ts'
import { selectionCurves } from '../curves.ts'
import type { Method } from '../method.ts'
import type { Plan } from '../plan.ts'
import { buildCut, channelsLeft, rankedChannels } from './pruning.ts'
import { buildSplits, refuseEmpty } from './splits.ts'

export interface ManualOptions {
  /** What the file holds, and its name for errors. */
  readonly json: unknown
  readonly file: string
  /** The splits whose errors the report shows; none without one. */
  readonly family?: SplitFamily | undefined
  /** In which order channels go where only their number is given. */
  readonly order: PruningOrder
}

/** Does what a plan by hand says: splits, channels, or both. */
export function manualMethod({ json, file, family, order }: ManualOptions): Method {
  return {
    name: 'manual',
    candidates: async (problem) => {
      if (family) refuseEmpty(problem)
      const { curves, notes } = family ? await selectionCurves(problem, family) : { curves: new Map(), notes: [] }
      const wanted = manualPlan(json, problem.layers, problem.cost, file)
      const ranked = wanted.channels.size > 0 || !family ? await rankedChannels(problem, order) : undefined
      const plan: Plan = {
        ...{ method: 'manual', losses: {}, ratio: 1 },
        splits: Object.fromEntries(wanted.choices),
        channels: ranked ? channelsLeft(ranked, wanted.channels) : {},
      }
      return {
        plansAt: (ratios) => ratios.map(() => plan),
        notes: [...notes, ...(ranked?.notes ?? [])],
        ...{ evaluations: 0, curves },
        ...(ranked ? { closed: ranked.closed } : {}),
      }
    },
    build: (problem, plan) =>
      Object.keys(plan.channels).length > 0 ? buildCut(problem, plan) : buildSplits(problem, plan),
  }
}

/** What a manual plan asks for. */
export interface ManualPlan {
  readonly choices: ReadonlyMap<string, LayerChoice>
  /** Layer → how many of its output channels stay, which share, or which ones. */
  readonly channels: ReadonlyMap<string, number | readonly number[]>
}

/**
 * Reads `{ layer: rank | ratio | "keep" | { split, rank } | { channels } }`: a number from 1 is a rank, one below a share of
 * the layer's cost; the split is the first that the layer allows unless it is named. `channels` is how many output channels
 * stay, which share of them (below 1), or the list of those that stay.
 * @throws InputError naming the entry that is wrong
 */
export function manualPlan(
  json: unknown,
  layers: readonly CompressibleLayer[],
  cost: CostModel,
  file: string,
): ManualPlan {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new InputError(
      `${file} must hold one JSON object, layer → rank, ratio, "keep" { split, rank } or { channels }`,
      { file },
    )
  const plan = new Map<string, LayerChoice>()
  const channels = new Map<string, number | readonly number[]>()
  for (const [name, entry] of Object.entries(json)) {
    const layer = layers.find((known) => known.name === name)
    if (!layer)
      throw new InputError(
        `${file} names a layer "${name}" that cannot be compressed; those that can are ${layers.map((known) => known.name).join(', ')}`,
        { file },
      )
    if (entry === 'keep') continue
    const given = typeof entry === 'object' && entry !== null ? entry : { rank: entry }
    if (given.channels !== undefined) {
      const list = Array.isArray(given.channels) ? given.channels : [given.channels]
      if (!list.every((number: unknown) => typeof number === 'number'))
        throw new InputError(
          `${file}: "channels" of layer "${name}" is how many stay, a share below 1 or a list, got ${JSON.stringify(given.channels)}`,
          { file },
        )
      channels.set(name, given.channels)
      if (given.rank === undefined) continue
    }
    const allowed = splits.filter((split) => !split.refuse(layer.geometry))
    const split = given.split === undefined ? allowed[0] : allowed.find((known) => known.name === given.split)
    const { rank } = given
    if (!split)
      throw new InputError(
        `${file}: layer "${name}" cannot be split by ${JSON.stringify(given.split)}; it allows ${allowed.map((known) => known.name).join(', ') || 'none'}`,
        { file },
      )
    const most = maxRank(split, layer.geometry)
    const wanted =
      typeof rank === 'number' && rank > 0 && rank < 1 ? rankForRatio(cost, split, layer, { ratio: rank }) : rank
    if (typeof wanted !== 'number' || !Number.isInteger(wanted) || wanted < 1 || wanted > most)
      throw new InputError(`${file}: layer "${name}" takes a rank from 1 to ${most}, got ${JSON.stringify(rank)}`, {
        file,
      })
    plan.set(name, { split: split.name satisfies SplitName, rank: wanted })
  }
  return { choices: plan, channels }
}
