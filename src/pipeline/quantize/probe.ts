// A few samples that tell what some grids alone do to the outputs.
import { throwIfCancelled, type Watch } from '../../base/index.ts'
import { Comparer, meanSqnrDb } from '../../metrics/index.ts'
import type { Model } from '../../onnx/index.ts'
import { type Runtime, type Values, withSession } from '../../runtime/index.ts'
import type { SplitBatch } from './calibration-samples.ts'

export class Probe {
  readonly #runtime: Runtime
  readonly #batches: readonly SplitBatch[]
  readonly #float: readonly Values[]

  private constructor(runtime: Runtime, batches: readonly SplitBatch[], float: readonly Values[]) {
    this.#runtime = runtime
    this.#batches = batches
    this.#float = float
  }

  /** Runs the float model once. */
  static async of(runtime: Runtime, float: Model, batches: readonly SplitBatch[]): Promise<Probe> {
    const outputs = await withSession(runtime, float, { label: 'the float model' }, async (session) => {
      const list: Values[] = []
      for (const { batch } of batches) list.push(await session.run(batch.inputs))
      return list
    })
    return new Probe(runtime, batches, outputs)
  }

  /** Noise of a quantised model as a share of the signal; it runs as its simulation, which loads whatever is left out. */
  async noiseOf(model: Model, watch: Watch): Promise<number> {
    const comparer = new Comparer()
    const options = { simulate: true, label: 'a part of the quantised model' }
    await withSession(this.#runtime, model, options, async (session) => {
      for (const [index, { batch }] of this.#batches.entries()) {
        throwIfCancelled(watch.signal)
        comparer.add(this.#float[index] ?? {}, await session.run(batch.inputs), batch)
      }
    })
    return 10 ** (-(meanSqnrDb(comparer.result()) ?? 0) / 10)
  }
}
