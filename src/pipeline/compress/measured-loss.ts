// Measured losses for the selection: one layer compressed, the rest of the network run, compared with the whole one.
import { report, throwIfCancelled } from '../../base/index.ts'
import {
  biasOf,
  type CompressibleLayer,
  fitSplit,
  type LayerCandidate,
  type LayerChoice,
  maxRank,
  rankForRatio,
  type SplitFamily,
  splitCost,
  splitLayer,
  splitNamed,
  splitsFor,
  wholeShape,
} from '../../compress/index.ts'
import type { Batch } from '../../data/index.ts'
import { GraphEditor } from '../../onnx/index.ts'
import { eachTarget } from './fit-targets.ts'
import type { Problem } from './problem.ts'
import { type MeasuredLoss, Suffix } from './rest-of-network.ts'

export interface LossOptions {
  readonly family: SplitFamily
  readonly loss: MeasuredLoss
  /** What candidates are judged on. */
  readonly batches: readonly Batch[]
  /** Names those batches. */
  readonly samples: string
}

export interface MeasuredLosses {
  readonly candidates: ReadonlyMap<string, readonly LayerCandidate[]>
  /** Evaluations that were run now, and all that the search needed. */
  readonly evaluations: number
  readonly looked: number
}

/** Shares of a layer's cost that are tried, as published. */
const RATIOS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]

/** Candidates of every layer at nine ratios, strongest first, with the loss of the network when only this layer is one. */
export async function measuredLosses(problem: Problem, options: LossOptions): Promise<MeasuredLosses> {
  const { products, model, cache, signal } = problem
  const wanted = new Map(problem.layers.map((layer) => [layer, candidatesOf(problem, options.family, layer)] as const))
  const looked = [...wanted.values()].reduce((sum, list) => sum + list.length, 0)
  const found = new Map<string, LayerCandidate[]>()
  let evaluations = 0
  let done = 0
  const open = problem.layers.filter((layer) => (wanted.get(layer) ?? []).length > 0)
  await eachTarget(problem, open, async (layer, targets) => {
    const list: LayerCandidate[] = []
    const own = await Promise.all(
      (wanted.get(layer) ?? []).map(async (one) => {
        const key = keyOf(problem, options, layer, one.choice)
        return { ...one, key, known: await cache.get(key) }
      }),
    )
    const suffix = own.some(({ known }) => known === undefined)
      ? await Suffix.open(problem, layer.output, options.batches)
      : undefined
    for (const { choice, cost, key, known } of own) {
      throwIfCancelled(signal)
      report(problem, { step: 'evaluate', done: done++, total: looked, message: layer.name })
      let loss = known
      if (typeof loss !== 'number' && suffix) {
        const { factors } = await fitSplit(products, layer, targets, { ...choice, rounds: 1 })
        const editor = new GraphEditor(model)
        splitLayer(editor, layer, { split: splitNamed(choice.split), factors, bias: biasOf(layer) })
        loss = await suffix.loss(editor.finish(), options.loss)
        await cache.put(key, loss)
        evaluations++
      }
      if (typeof loss === 'number') list.push({ cost, loss, choice })
    }
    found.set(layer.name, list)
  })
  report(problem, { step: 'evaluate', done: looked, total: looked })
  return { candidates: found, evaluations, looked }
}

function candidatesOf(
  { cost, multiple }: Problem,
  family: SplitFamily,
  layer: CompressibleLayer,
): { choice: LayerChoice; cost: number }[] {
  const [split] = splitsFor(family, layer)
  if (!split) return []
  const whole = cost.cost(wholeShape(layer))
  const ranks = new Set(RATIOS.map((ratio) => rankForRatio(cost, split, layer, { ratio, multiple })))
  return [...ranks]
    .filter((rank) => rank <= maxRank(split, layer.geometry))
    .map((rank) => ({ choice: { split: split.name, rank }, cost: splitCost(cost, split, layer, rank) }))
    .filter((candidate) => candidate.cost < whole)
}

function keyOf(
  { key, plain, seed }: Problem,
  { loss, samples }: LossOptions,
  layer: CompressibleLayer,
  { split, rank }: LayerChoice,
): string {
  return [key, loss, samples, plain ? 'plain' : `seed ${seed}`, layer.name, split, rank].join('|')
}
