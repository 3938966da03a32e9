// --layer-times: the choice of splits by measured times of single layers.
import {
  type CostShape,
  measuredTime,
  savingRanks,
  splitShapes,
  splitsFor,
  timeLayers,
  wholeShape,
} from '../../compress/index.ts'
import { quantile } from '../../math/index.ts'
import { withSession } from '../../runtime/index.ts'
import { type Choices, totalCost } from './choices.ts'
import type { Problem } from './problem.ts'
import { remembered, TIMING } from './timing.ts'

/** Ranks of a split that are timed, at most. */
const RANKS = 8

/**
 * The same choice by measured times: every layer whole, and split at some of the ranks that may be chosen. What the whole model
 * takes beyond its layers cannot be saved.
 */
export async function timedChoices(problem: Problem, choices: Choices): Promise<Choices> {
  const { runtime, model, sample, cache, key, host } = problem
  const machine = host.machine?.name ?? ''
  const name = (layer: string) => `layer time|${machine}|${layer}`
  const known = async (layer: string) => {
    const time = await cache.get(name(layer))
    return typeof time === 'number' ? time : undefined
  }
  const keep = (layer: string, time: number) => cache.put(name(layer), time)
  const times = await timeLayers(runtime, shapesOf(choices), problem, { known, keep })
  // Shares are of the time of this model from here on.
  const { whole: _, ...rest } = choices
  const timed = { ...rest, cost: measuredTime(times), fixed: 0 }
  const whole = await remembered(cache, `${key}|${machine}|time of the whole`, () =>
    withSession(runtime, model, { label: 'the model' }, async (session) => {
      const { milliseconds } = await runtime.time([session], [sample], TIMING)
      // A low quantile, as for the layers: what else the machine does only ever adds time.
      return quantile(milliseconds[0] ?? [0], 0.1)
    }),
  )
  return { ...timed, fixed: Math.max(0, whole - totalCost(timed)) }
}

function shapesOf({ layers, family, cost, multiple }: Choices): CostShape[] {
  const shapes: CostShape[] = []
  for (const layer of layers) {
    shapes.push(wholeShape(layer))
    for (const split of splitsFor(family, layer)) {
      const ranks = savingRanks(cost, split, layer, multiple)
      const step = Math.max(1, Math.ceil(ranks.length / RANKS))
      for (const [index, rank] of ranks.entries())
        if (index % step === 0) shapes.push(...splitShapes(split, layer, rank))
    }
  }
  return shapes
}
