// Written files, whoever made them, against the float model: the same samples, the same runtime, its default options.
import { readFileSync } from 'node:fs'
import type { Batch, Dataset } from '../src/data/index.ts'
import { median } from '../src/math/index.ts'
import { Comparer, type Comparison } from '../src/metrics/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { readModel } from '../src/onnx/index.ts'
import { readBatches, scoringSamples } from '../src/pipeline/index.node.ts'
import type { QuantizeRecipe } from '../src/pipeline/index.ts'
import { lintFusion, targetOf } from '../src/quantize/index.ts'
import { optimizedGraph } from '../src/runtime/index.node.ts'
import { measureLatency, observeShapes, type Runtime, type Values, withSession } from '../src/runtime/index.ts'

export interface Score {
  readonly comparison: Comparison
  /** Layers of the file, and those of them that ONNX Runtime computes in integers. */
  readonly layers: { readonly total: number; readonly integer: number }
  /** Time of the float model ÷ that of the file, batch 1, in turn: the median of a few bursts, each of medians. */
  readonly speed: number
}

/** Times that latency is measured: one slow moment of the machine spoils a whole burst. */
const BURSTS = 3

/**
 * Reads the samples that the calibration, `chosen` of `dataset`, did not see, and runs the float model on them once; what
 * comes back scores one file after the other.
 */
export async function openScoring(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  dataset: Dataset,
  chosen: readonly number[],
): Promise<(file: string) => Promise<Score>> {
  const model = await readModelFile(recipe.model)
  const scoring = await scoringSamples(recipe, model, { dataset, indices: chosen }, { limit: 5000 })
  const first = (await dataset.sample(0)).inputs
  const shapes = await observeShapes(runtime, model, first)
  const seen: { readonly batch: Batch; readonly float: Values }[] = []
  await withSession(runtime, model, {}, async (session) => {
    for await (const batch of readBatches(scoring, { model, shapes }))
      seen.push({ batch, float: await session.run(batch.inputs) })
  })
  return async (file) => {
    const written = readFileSync(file)
    const kernels = lintFusion(
      readModel(written, { file }),
      await optimizedGraph(runtime, written),
      targetOf(recipe.target),
    )
    return withSession(runtime, model, {}, (before) =>
      withSession(runtime, written, {}, async (after) => {
        const comparer = new Comparer()
        for (const { batch, float } of seen) comparer.add(float, await after.run(batch.inputs), batch)
        const ratios: number[] = []
        for (let burst = 0; burst < BURSTS; burst++) {
          const [float, int8] = await measureLatency(runtime, [before, after], first)
          ratios.push((float?.medianMs ?? Number.NaN) / (int8?.medianMs ?? Number.NaN))
        }
        return {
          comparison: comparer.result(),
          layers: { total: kernels.length, integer: kernels.filter((kernel) => kernel.integer).length },
          speed: median(ratios),
        }
      }),
    )
  }
}
