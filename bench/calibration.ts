// What calibration costs over plain inference: the same batches through the plain model and through the watched one, in turn.
// Usage: node --import tsx bench/calibration.ts MODEL DATA PREPROCESS [SAMPLES]

import { calibrate } from '../src/calibrate/index.ts'
import type { Batch } from '../src/data/index.ts'
import { chooseSamples } from '../src/data/index.ts'
import { median } from '../src/math/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { openSamples, readBatches } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { place, quantizeDefaults, tensorsToObserve } from '../src/quantize/index.ts'
import { applyRewrites, passes } from '../src/rewrite/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { typesOf, withSession } from '../src/runtime/index.ts'

const [path = '', data = '', preprocess = '', samples = '64'] = process.argv.slice(2)
const recipe = parseRecipe('quantize', { model: path, data, preprocess, samples: Number(samples) })
const runtime = await openRuntime()
try {
  const original = await readModelFile(path)
  const dataset = await openSamples(recipe, original)
  const chosen = chooseSamples(dataset.size, Number(samples))
  const { model, shapes } = await applyRewrites(
    runtime,
    { model: original, feeds: (await dataset.sample(0)).inputs },
    passes,
  )
  const placement = place(model, quantizeDefaults, typesOf(model))
  const batches: Batch[] = []
  for await (const batch of readBatches({ dataset, indices: chosen }, { model, shapes })) batches.push(batch)
  async function* again(): AsyncGenerator<Batch> {
    yield* batches
  }
  const times: Record<string, number[]> = { plain: [], minmax: [], histogram: [] }
  const watched = (histogram: boolean) => async () => {
    const requests = tensorsToObserve(placement).map(({ value, bounds }) => ({
      value,
      histogram,
      nonNegative: bounds.low >= 0,
    }))
    await calibrate(runtime, model, again(), { requests, shapes, total: chosen.length })
  }
  const ways: Record<string, () => Promise<void>> = {
    plain: () =>
      withSession(runtime, original, {}, async (session) => {
        for (const batch of batches) await session.run(batch.inputs)
      }),
    minmax: watched(false),
    histogram: watched(true),
  }
  for (let round = 0; round < 12; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const started = performance.now()
      await way()
      if (round > 1) times[name]?.push(performance.now() - started)
    }
  }
  const plain = median(times['plain'] ?? [])
  for (const [name, list] of Object.entries(times))
    console.log(
      `${name.padEnd(10)} ${median(list).toFixed(0)} ms  ${(median(list) / plain).toFixed(2)} × plain (${batches.length} batches, ${chosen.length} samples)`,
    )
} finally {
  await runtime.close()
}
