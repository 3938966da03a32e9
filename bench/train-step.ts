// Time of a training step, side by side with PyTorch where it is installed: forward, backward, Adam, copies included.
// The two take turns, a few steps each; medians of all. Processor time tells more than the clock on a machine that others use.
// Usage: [PYTHON=python3] node --import tsx bench/train-step.ts [word of a model] [steps a turn] [threads]
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { TensorValue } from '../src/base/index.ts'
import { median, randomStream } from '../src/math/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import type { Runtime } from '../src/runtime/index.ts'
import { crossEntropy, floatTrainableModel } from '../src/train/index.ts'
import { noModels, sharedFolder } from '../test/support/manifest.ts'
import { type Step, withTimedSteps } from './timed-steps.ts'

const models = [
  ['classic_mnist_cnn.onnx', 32],
  ['cifar10_resnet20.onnx', 64],
  ['mobilenet_v1_0.25_224.onnx', 16],
] as const
const word = process.argv[2] ?? ''
const rounds = Number(process.argv[3] ?? 8)
const threads = Number(process.argv[4] ?? availableParallelism())
const TURNS = 3
const WARM_UPS = 3
const python = process.env['PYTHON'] ?? 'python3'

if (noModels) throw new Error(noModels)
const runtime = await openRuntime({ threads })
try {
  console.log(`${threads} threads`)
  console.log(
    '| model | batch | BatchNorm | onnxpress, ms | processor | PyTorch, ms | processor | ratio | of processor time |',
  )
  console.log('|---|---|---|---|---|---|---|---|---|')
  for (const [file, batch] of models.filter(([name]) => name.includes(word)))
    for (const mode of ['frozen', 'training'] as const) {
      const own: Step[] = []
      const peer: Step[] = []
      await withSteps(runtime, file, batch, mode, async (take) => {
        for (let turn = 0; turn < TURNS; turn++) {
          own.push(...(await take(rounds + WARM_UPS)).slice(WARM_UPS))
          peer.push(...torchSteps(file, batch, mode))
        }
      })
      const middle = (steps: readonly Step[], key: keyof Step) => median(steps.map((step) => step[key]))
      const cells = (steps: readonly Step[]) => (['ms', 'cpuMs'] as const).map((key) => middle(steps, key).toFixed(1))
      const ratio = (key: keyof Step) => (middle(own, key) / middle(peer, key)).toFixed(2)
      const others = peer.length > 0 ? [...cells(peer), ratio('ms'), ratio('cpuMs')] : ['not installed', '', '', '']
      console.log(`| ${[file, batch, mode, ...cells(own), ...others].join(' | ')} |`)
    }
} finally {
  await runtime.close()
}

/** Hands out a function that takes so many steps. */
async function withSteps(
  run: Runtime,
  file: string,
  batch: number,
  mode: 'frozen' | 'training',
  work: (take: (count: number) => Promise<Step[]>) => Promise<void>,
): Promise<void> {
  const model = await readModelFile(join(sharedFolder, 'models', file))
  const input = model.graph.inputs[0]
  if (!input?.shape) throw new Error(`${file} declares no input`)
  const random = randomStream(0, file)
  const noise = (dims: readonly number[]): TensorValue => ({
    dtype: 'float32',
    dims,
    data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, random.normal),
  })
  const dims = input.shape.map((dim, axis) => (axis === 0 ? 1 : Number(dim)))
  const trainable = await floatTrainableModel(
    run,
    model,
    { [input.name]: noise(dims) },
    {
      train: 'all',
      batch,
      batchNorm: mode,
      loss: [crossEntropy()],
    },
  )
  const picture = noise([batch, ...dims.slice(1)])
  const labels = BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % 10))
  await withTimedSteps(run, trainable, { [input.name]: picture }, labels, work)
}

/** Steps of PyTorch; none where it is not installed. */
function torchSteps(file: string, batch: number, mode: string): Step[] {
  const script = resolve(import.meta.dirname, 'peers/torch_step.py')
  const options = [script, file, String(batch), mode, String(rounds), String(threads)]
  const { status, stdout } = spawnSync(python, options, { encoding: 'utf8' })
  return status === 0 ? (JSON.parse(stdout.trim().split('\n').at(-1) ?? '[]') as Step[]) : []
}
