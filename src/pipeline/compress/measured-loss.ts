// Measured losses for the selection: one layer compressed, the rest of the network run, compared with the whole one.
import { report, type TensorValue, throwIfCancelled, type Watch } from '../../base/index.ts'
import {
  biasOf,
  type CompressibleLayer,
  type CostModel,
  cutBefore,
  type FitProducts,
  fitSplit,
  inputMoments,
  kernelsOf,
  type LayerCandidate,
  type LayerChoice,
  type Method,
  maxRank,
  ownTarget,
  plainTarget,
  rankForRatio,
  ridgeShare,
  splitCost,
  splitLayer,
  splitNamed,
  splitsFor,
  wholeShape,
} from '../../compress/index.ts'
import type { Batch } from '../../data/index.ts'
import { Comparer, type Metric } from '../../metrics/index.ts'
import { extractModel, GraphEditor, type Model, type Shapes } from '../../onnx/index.ts'
import { type Runtime, type Values, withSession } from '../../runtime/index.ts'
import type { EvaluationCache } from '../../search/index.ts'
import { POSITIONS } from './curves.ts'

export interface LossOptions extends Watch {
  readonly shapes: Shapes
  readonly seed: number
  readonly method: Method
  readonly plain: boolean
  readonly cost: CostModel
  readonly multiple: number
  readonly loss: 'kl' | 'metric'
  readonly metric?: Metric
  readonly cache: EvaluationCache
  readonly key: string
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
export async function measuredLosses(
  runtime: Runtime,
  products: FitProducts,
  model: Model,
  layers: readonly CompressibleLayer[],
  samples: readonly Values[],
  scoring: readonly Batch[],
  options: LossOptions,
): Promise<MeasuredLosses> {
  const wanted = new Map(layers.map((layer) => [layer, candidatesOf(layer, options)] as const))
  const looked = [...wanted.values()].reduce((sum, list) => sum + list.length, 0)
  const found = new Map<string, LayerCandidate[]>()
  let evaluations = 0
  let done = 0
  const evaluate = async (layer: CompressibleLayer, targets: Parameters<typeof fitSplit>[3]) => {
    const list: LayerCandidate[] = []
    const open = wanted.get(layer) ?? []
    const suffix = open.some(({ choice }) => options.cache.get(keyOf(layer, choice, options)) === undefined)
      ? await Suffix.open(runtime, model, layer, scoring, options)
      : undefined
    for (const { choice, cost } of open) {
      throwIfCancelled(options.signal)
      report(options, 'evaluate', done++, looked, layer.name)
      const key = keyOf(layer, choice, options)
      let loss = options.cache.get(key)
      if (typeof loss !== 'number' && suffix) {
        const { factors } = await fitSplit(products, layer, choice, targets, 1)
        const editor = new GraphEditor(model)
        splitLayer(editor, layer, splitNamed(choice.split), factors, biasOf(layer))
        loss = await suffix.loss(editor.finish(), options)
        options.cache.put(key, loss)
        evaluations++
      }
      if (typeof loss === 'number') list.push({ cost, loss, choice })
    }
    found.set(layer.name, list)
  }
  const open = layers.filter((layer) => (wanted.get(layer) ?? []).length > 0)
  if (options.plain) for (const layer of open) await evaluate(layer, kernelsOf(layer).map(plainTarget))
  else
    await inputMoments(
      runtime,
      products,
      model,
      open,
      samples,
      { ...options, perSample: POSITIONS },
      async (layer, moments) => {
        const weights = kernelsOf(layer)
        const targets = []
        for (const [group, weight] of weights.entries()) {
          const own = moments?.[group]
          targets.push(
            own ? await ownTarget(products, weight, own, ridgeShare(own.count, weight.columns)) : plainTarget(weight),
          )
        }
        await evaluate(layer, targets)
      },
    )
  report(options, 'evaluate', looked, looked)
  return { candidates: found, evaluations, looked }
}

function candidatesOf(
  layer: CompressibleLayer,
  { method, cost, multiple }: LossOptions,
): { choice: LayerChoice; cost: number }[] {
  const [split] = splitsFor(method, layer)
  if (!split) return []
  const { geometry, sizes } = layer
  const whole = cost.cost(wholeShape(geometry, sizes))
  const ranks = new Set(RATIOS.map((ratio) => rankForRatio(cost, split, geometry, sizes, ratio, multiple)))
  return [...ranks]
    .filter((rank) => rank <= maxRank(split, geometry))
    .map((rank) => ({ choice: { split: split.name, rank }, cost: splitCost(cost, split, geometry, sizes, rank) }))
    .filter((candidate) => candidate.cost < whole)
}

function keyOf(
  layer: CompressibleLayer,
  { split, rank }: LayerChoice,
  { key, loss, metric, plain, seed }: LossOptions,
): string {
  return [key, loss, metric?.name ?? '', plain ? 'plain' : `seed ${seed}`, layer.name, split, rank].join('|')
}

/** The rest of a model behind a layer, with the values at the cut and the whole model's outputs. */
class Suffix {
  readonly #runtime: Runtime
  readonly #cut: readonly string[]
  readonly #feeds: readonly Values[]
  readonly #reference: readonly Values[]
  readonly #batches: readonly Batch[]
  readonly #shapes: Shapes

  constructor(
    runtime: Runtime,
    cut: readonly string[],
    feeds: readonly Values[],
    reference: readonly Values[],
    batches: readonly Batch[],
    shapes: Shapes,
  ) {
    this.#runtime = runtime
    this.#cut = cut
    this.#feeds = feeds
    this.#reference = reference
    this.#batches = batches
    this.#shapes = shapes
  }

  static async open(
    runtime: Runtime,
    model: Model,
    layer: CompressibleLayer,
    batches: readonly Batch[],
    { shapes }: { readonly shapes: Shapes },
  ): Promise<Suffix> {
    const cut = cutBefore(model, layer.output)
    const inputs = new Set(model.graph.inputs.map((input) => input.name))
    const names = [
      ...new Set([...cut.filter((name) => !inputs.has(name)), ...model.graph.outputs.map(({ name }) => name)]),
    ]
    const watched = extractModel(
      model,
      names.map((name) => infoOf(name, shapes)),
    )
    const feeds: Values[] = []
    const reference: Values[] = []
    await withSession(
      runtime,
      watched,
      { optimization: 'extended', derived: 'cutting it at a layer' },
      async (session) => {
        for (const batch of batches) {
          const needed = Object.fromEntries(
            Object.entries(batch.inputs).filter(([name]) => session.inputs.includes(name)),
          )
          const all: Record<string, TensorValue> = { ...batch.inputs, ...(await session.run(needed)) }
          feeds.push(pick(all, cut))
          reference.push(
            pick(
              all,
              model.graph.outputs.map(({ name }) => name),
            ),
          )
        }
      },
    )
    return new Suffix(runtime, cut, feeds, reference, batches, shapes)
  }

  /** Loss of a model that differs only behind the cut. */
  async loss(candidate: Model, { loss, metric }: Pick<LossOptions, 'loss' | 'metric'>): Promise<number> {
    const rest = extractModel(
      candidate,
      candidate.graph.outputs,
      this.#cut.map((name) => infoOf(name, this.#shapes)),
    )
    const comparer = new Comparer(metric)
    await withSession(this.#runtime, rest, { derived: 'cutting it at a layer' }, async (session) => {
      for (const [index, batch] of this.#batches.entries()) {
        const feeds = pick(this.#feeds[index] ?? {}, session.inputs)
        comparer.add(this.#reference[index] ?? {}, await session.run(feeds), batch)
      }
    })
    const result = comparer.result()
    if (loss === 'metric' && result.metric) return result.metric.before - result.metric.after
    // What is no classifier is judged by the noise of its first output as a share of the signal.
    const db = Object.values(result.sqnrDb)[0]
    return result.kl ?? (typeof db === 'number' ? 10 ** (-db / 10) : 0)
  }
}

function infoOf(name: string, shapes: Shapes) {
  const dtype = shapes.get(name)?.dtype
  return { name, ...(dtype ? { dtype } : {}) }
}

function pick(values: Values, names: readonly string[]): Values {
  return Object.fromEntries(names.flatMap((name) => (values[name] ? [[name, values[name]] as const] : [])))
}
