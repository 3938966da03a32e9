// Running only what follows a layer: values at the cut are computed once, each candidate costs the rest of the network.
import type { TensorValue } from '../../base/index.ts'
import { cutBefore } from '../../compress/index.ts'
import type { Batch } from '../../data/index.ts'
import { Comparer } from '../../metrics/index.ts'
import { extractModel, type Model, type Shapes } from '../../onnx/index.ts'
import { type Runtime, type Values, withSession } from '../../runtime/index.ts'
import type { Problem } from './problem.ts'

/** What a candidate is judged by: divergence from the original's answers, or how much of the metric is lost. */
export type MeasuredLoss = 'kl' | 'metric'

/** Values at the cut and the whole model's outputs, for one batch. */
interface CutRun {
  readonly batch: Batch
  readonly feeds: Values
  readonly reference: Values
}

/** The rest of a model behind a layer, with the values at the cut and the whole model's outputs. */
export class Suffix {
  readonly #runtime: Runtime
  readonly #shapes: Shapes
  readonly #cut: readonly string[]
  readonly #runs: readonly CutRun[]

  private constructor(runtime: Runtime, shapes: Shapes, cut: readonly string[], runs: readonly CutRun[]) {
    this.#runtime = runtime
    this.#shapes = shapes
    this.#cut = cut
    this.#runs = runs
  }

  /** @param output the value that the layer makes */
  static async open(
    { runtime, model, shapes }: Pick<Problem, 'runtime' | 'model' | 'shapes'>,
    output: string,
    batches: readonly Batch[],
  ): Promise<Suffix> {
    const cut = cutBefore(model, output)
    const outputs = model.graph.outputs.map(({ name }) => name)
    const inputs = new Set(model.graph.inputs.map((input) => input.name))
    const names = [...new Set([...cut.filter((name) => !inputs.has(name)), ...outputs])]
    const watched = extractModel(
      model,
      names.map((name) => infoOf(name, shapes)),
    )
    const runs: CutRun[] = []
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
          runs.push({ batch, feeds: pick(all, cut), reference: pick(all, outputs) })
        }
      },
    )
    return new Suffix(runtime, shapes, cut, runs)
  }

  /** Loss of a model that differs only behind the cut. */
  async loss(candidate: Model, loss: MeasuredLoss): Promise<number> {
    const rest = extractModel(
      candidate,
      candidate.graph.outputs,
      this.#cut.map((name) => infoOf(name, this.#shapes)),
    )
    const comparer = new Comparer()
    await withSession(this.#runtime, rest, { derived: 'cutting it at a layer' }, async (session) => {
      for (const { batch, feeds, reference } of this.#runs)
        comparer.add(reference, await session.run(pick(feeds, session.inputs)), batch)
    })
    const result = comparer.result()
    if (loss === 'metric' && result.metric) return result.metric.before - result.metric.after
    // What is not a classifier is judged by the noise of its first output as a share of the signal.
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
