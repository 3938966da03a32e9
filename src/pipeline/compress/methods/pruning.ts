// Channel pruning: channels go by what their readers lose with them.
import {
  channelsToKeep,
  cutAndRefit,
  keptOutputs,
  outOfReach,
  type PruningOrder,
  type PruningProblem,
  preparePruning,
  pruningGroups,
  pruningPlans,
  removedOutputs,
} from '../../../compress/index.ts'
import { POSITIONS } from '../fit-targets.ts'
import type { Built, Candidates, Method } from '../method.ts'
import type { Plan, Refusal } from '../plan.ts'
import type { Problem } from '../problem.ts'

/** Channels taken out together with everything that makes or reads them (arXiv 1707.06168), in an order. */
export function pruningMethod({ order }: { readonly order: PruningOrder }): Method {
  return { name: 'pruning', candidates: (problem) => pruningCandidates(problem, order), build: buildCut }
}

async function pruningCandidates(problem: Problem, order: PruningOrder): Promise<Candidates> {
  const ranked = await rankedChannels(problem, order)
  const { cost, multiple, wholeCost } = problem
  const plansAt = (ratios: readonly number[]) =>
    pruningPlans(ranked, ratios, { cost, multiple, whole: wholeCost }).map((found, index): Plan | Refusal => {
      const unit = cost.name === 'bytes' ? 'parameter bytes' : 'MACs'
      if (typeof found === 'number') return { refused: outOfReach(ranked, ratios[index] ?? 1, found, unit) }
      const { removed, ratio, losses } = found
      const channels = Object.fromEntries(keptOutputs(ranked.graph, removed))
      return { method: 'pruning', splits: {}, channels, losses: Object.fromEntries(losses), ratio }
    })
  return { plansAt, notes: ranked.notes, evaluations: 0, closed: ranked.closed }
}

/** The channels of a model, found and ranked; with `plain` by their weights alone. */
export function rankedChannels(problem: Problem, order: PruningOrder): Promise<PruningProblem> {
  const { runtime, products, model, shapes, fit, sample, cost, seed, plain, keepLayers, progress, signal } = problem
  return preparePruning(runtime, model, {
    ...{ products, shapes, samples: plain ? [] : fit, sample },
    ...{ cost, seed, keepLayers, progress, signal },
    perSample: POSITIONS,
    order: plain ? 'magnitude' : order,
  })
}

/** What a manual plan says of channels: the places that stay in every layer that loses some. */
export function channelsLeft(
  ranked: PruningProblem,
  wanted: ReadonlyMap<string, number | readonly number[]>,
): Plan['channels'] {
  return Object.fromEntries(keptOutputs(ranked.graph, channelsToKeep(ranked, wanted)))
}

/** Takes the channels of a plan out, then fits every layer to what is left, or splits it. */
export function buildCut(problem: Problem, { splits, channels }: Plan): Promise<Built> {
  const { runtime, products, model, shapes, fit, sample, layers, seed, plain, progress, signal, host } = problem
  const { graph } = pruningGroups(model, shapes)
  const removed = removedOutputs(graph, channels)
  const free = new Set(layers.map((layer) => layer.name))
  const options = {
    ...{ products, samples: plain ? [] : fit, sample, seed, perSample: POSITIONS, progress, signal },
    choices: new Map(Object.entries(splits)),
    fit: (name: string) => free.has(name),
  }
  const cut = (more = {}) => cutAndRefit(runtime, { model, shapes, graph }, removed, { ...options, ...more })
  return host.withSpill ? host.withSpill((spill) => cut({ spill })) : cut()
}
