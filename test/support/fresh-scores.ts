// Quantises a small network and scores it on samples that the quantisation did not see.

import type { Watch } from '../../src/base/index.ts'
import { batches, readSamples } from '../../src/data/index.ts'
import { Comparer, meanSqnrDb } from '../../src/metrics/index.ts'
import type { Model } from '../../src/onnx/index.ts'
import { parseRecipe, type QuantizeRecipe } from '../../src/pipeline/index.ts'
import { CalibrationSamples, fewUnknowns } from '../../src/pipeline/quantize/calibration-samples.ts'
import type { Produced } from '../../src/pipeline/quantize/mode.ts'
import { produceQuantized } from '../../src/pipeline/quantize/produce.ts'
import { type Runtime, type Values, withSession } from '../../src/runtime/index.ts'

import type { OpGraph } from './op-graphs.ts'

/** A quantisation of a network by a recipe's words. */
export async function quantizeGraph(
  runtime: Runtime,
  { model, calibration, name }: OpGraph,
  words: Partial<QuantizeRecipe> = {},
  watch: Watch = {},
): Promise<Produced> {
  const recipe = parseRecipe('quantize', { model: name, data: 'random', output: 'unwritten.onnx', ...words })
  const indices = Array.from({ length: calibration.size }, (_, i) => i)
  const samples = new CalibrationSamples(calibration, indices, {}, fewUnknowns)
  return produceQuantized(runtime, recipe, { original: model, samples, inputs: new Map() }, { ...watch, notes: [] })
}

/** SQNR in dB of each model's outputs on the fresh samples. */
export async function freshScores(
  runtime: Runtime,
  { model, fresh }: OpGraph,
  quantized: readonly Model[],
): Promise<number[]> {
  const indices = Array.from({ length: fresh.size }, (_, i) => i)
  const inputs: { batch: Parameters<Comparer['add']>[2]; outputs: Values }[] = []
  await withSession(runtime, model, {}, async (session) => {
    for await (const batch of batches(readSamples(fresh, indices), 32))
      inputs.push({ batch, outputs: await session.run(batch.inputs) })
  })
  const scores: number[] = []
  for (const other of quantized) {
    const comparer = new Comparer()
    await withSession(runtime, other, {}, async (session) => {
      for (const { batch, outputs } of inputs) comparer.add(outputs, await session.run(batch.inputs), batch)
    })
    scores.push(meanSqnrDb(comparer.result()) ?? Number.NaN)
  }
  return scores
}
