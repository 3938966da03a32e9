// Makes everything in this folder that is no source: trains the network, writes model and samples, measures the result.
// Usage: npx tsx demo/make.ts [steps [folder]]
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeModelFile } from '../src/onnx/index.node.ts'
import { evaluateFile } from '../src/pipeline/index.node.ts'
import type { EvaluateRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { drawSet } from './draw.ts'
import { exportModel } from './export.ts'
import { demoDesign, makeNetwork } from './network.ts'
import { preprocess } from './preprocess.ts'
import { writeSamples } from './samples.node.ts'
import { type Schedule, train } from './train.ts'

const schedule: Schedule = {
  seed: 1,
  steps: Number(process.argv[2] ?? 4600),
  batchSize: 16,
  rate: 0.004,
  warmup: 50,
  weightDecay: 0.02,
  easySteps: 800,
}

const folder = process.argv[3] ?? fileURLToPath(new URL('.', import.meta.url))
const at = (name: string) => join(folder, name)
await mkdir(folder, { recursive: true })

const network = makeNetwork(demoDesign, schedule.seed)
const parameters = network.parameters.reduce((sum, { value }) => sum + value.length, 0)
console.log(`training ${parameters} parameters for ${schedule.steps} steps of ${schedule.batchSize} pictures`)
const started = performance.now()
const secondsPassed = () => Math.round((performance.now() - started) / 1000)
train(network, schedule, ({ step, loss, accuracy }) =>
  console.log(`${secondsPassed()} s, step ${step}: loss ${loss.toFixed(3)}, right ${(100 * accuracy).toFixed(1)} %`),
)
console.log(`trained in ${secondsPassed()} s`)

await writeModelFile(exportModel(network), at('model.onnx'))
await writeFile(at('preprocess.json'), `${JSON.stringify(preprocess, null, 2)}\n`)
const samples = await Promise.all([
  writeSamples(folder, 'calibration', drawSet(schedule.seed, 'calibration', 128)),
  writeSamples(folder, 'test', drawSet(schedule.seed, 'test', 450)),
])
const { size } = await stat(at('model.onnx'))
console.log(`${relative('', at('model.onnx'))}: ${size} bytes; samples: ${samples.reduce((a, b) => a + b)} bytes`)

const runtime = await openRuntime({ threads: 1 })
try {
  for (const set of ['calibration', 'test']) {
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
} finally {
  await runtime.close()
}
