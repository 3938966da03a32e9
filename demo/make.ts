// Makes everything in this folder that is not source: trains the network from nothing, writes model and samples, measures.
// Usage: npm run demo:train -- [steps [folder]]
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeModelFile } from '../src/onnx/index.node.ts'
import type { Model } from '../src/onnx/index.ts'
import { evaluateFile } from '../src/pipeline/index.node.ts'
import type { EvaluateRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { adam, constant, cosine, crossEntropy, finetune, floatTrainableModel, warmUp } from '../src/train/index.ts'
import { drawSet } from './draw.ts'
import { drawnSet } from './drawn.ts'
import { demoDesign, networkModel } from './network.ts'
import { preprocess } from './preprocess.ts'
import { writeSamples } from './samples.node.ts'

const SEED = 1
const BATCH = 16
const RATE = 0.004
const DECAY = 0.02
const steps = Number(process.argv[2] ?? 4600)
/** First pictures from easy to hard, then as hard as those of the test set. */
const easy = Math.min(800, Math.round(steps / 5))

const folder = process.argv[3] ?? fileURLToPath(new URL('.', import.meta.url))
const at = (name: string) => join(folder, name)
await mkdir(folder, { recursive: true })

/** One thread, so that every machine adds in the same order. */
const runtime = await openRuntime({ threads: 1 })
try {
  const started = performance.now()
  let model = networkModel(demoDesign)
  for (const [purpose, count] of [
    ['mixed', easy],
    ['hard', steps - easy],
  ] as const)
    model = await trainOn(model, purpose, count)
  console.log(`trained in ${Math.round((performance.now() - started) / 1000)} s`)
  await writeModelFile(model, at('model.onnx'))
  await writeFile(at('preprocess.json'), `${JSON.stringify(preprocess, null, 2)}\n`)
  const samples = await Promise.all([
    writeSamples(folder, 'calibration', drawSet(SEED, 'calibration', 128)),
    writeSamples(folder, 'test', drawSet(SEED, 'test', 450)),
  ])
  const { size } = await stat(at('model.onnx'))
  console.log(`${relative('', at('model.onnx'))}: ${size} bytes; samples: ${samples.reduce((a, b) => a + b)} bytes`)
  for (const set of ['calibration', 'test']) await score(set)
} finally {
  await runtime.close()
}

/** Trains all weights on pictures of which none is shown twice; the first time from random weights. */
async function trainOn(model: Model, purpose: 'mixed' | 'hard', count: number): Promise<Model> {
  const dataset = drawnSet(SEED, purpose, count * BATCH, purpose === 'mixed')
  const trainable = await floatTrainableModel(runtime, model, (await dataset.sample(0)).inputs, {
    train: 'all',
    batch: BATCH,
    batchNorm: 'training',
    loss: [crossEntropy()],
    fromScratch: purpose === 'mixed' ? SEED : undefined,
  })
  const indices = Array.from({ length: dataset.size }, (_, i) => i)
  let shown = 0
  const tuned = await finetune(
    runtime,
    trainable,
    { dataset, indices },
    {
      epochs: 1,
      batch: BATCH,
      rate: RATE,
      optimizer: adam({ decoupled: true }),
      schedule: warmUp(50, purpose === 'mixed' ? constant : cosine()),
      decay: DECAY,
      seed: SEED,
      // Pooling would draw another 1,600 pictures, for statistics that 4,600 steps have followed well.
      poolStatistics: false,
      progress: ({ done, total, message }) => {
        if (done < shown) return
        shown = done + 200
        console.log(`${purpose} ${done}/${total}: ${message}`)
      },
    },
  )
  return tuned.model
}

async function score(set: string): Promise<void> {
  const recipe: EvaluateRecipe = {
    version: 1,
    command: 'evaluate',
    model: at('model.onnx'),
    data: at(`${set}.json`),
    preprocess: at('preprocess.json'),
    metric: 'top1',
    exif: false,
    seed: 0,
    shape: {},
  }
  const { name, value, samples: count, interval } = (await evaluateFile(runtime, recipe)).metric
  console.log(`${set}: ${name} ${value.toFixed(4)} on ${count} samples, 95 % within ${JSON.stringify(interval)}`)
}
