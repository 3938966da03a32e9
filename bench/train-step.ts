// Time of a training step, side by side with PyTorch where it is installed: forward, backward, Adam, copies included.
// Usage: [PYTHON=python3] node --import tsx bench/train-step.ts [word of a model] [rounds]
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import type { TensorValue } from '../src/base/index.ts'
import { median, randomStream } from '../src/math/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import type { Runtime } from '../src/runtime/index.ts'
import { adam, crossEntropy, FEEDS, floatTrainee, withTrainingSession } from '../src/train/index.ts'
import { noModels, sharedFolder } from '../test/manifest.ts'

const models = [
  ['classic_mnist_cnn.onnx', 32],
  ['cifar10_resnet20.onnx', 64],
  ['mobilenet_v1_0.25_224.onnx', 16],
] as const
const word = process.argv[2] ?? ''
const rounds = Number(process.argv[3] ?? 20)
const python = process.env['PYTHON'] ?? 'python3'

if (noModels) throw new Error(noModels)
const runtime = await openRuntime()
try {
  console.log('| model | batch | BatchNorm | onnxpress, ms | PyTorch, ms | ratio |')
  console.log('|---|---|---|---|---|---|')
  for (const [file, batch] of models.filter(([name]) => name.includes(word)))
    for (const mode of ['frozen', 'training'] as const) {
      const own = await stepTime(runtime, file, batch, mode)
      const peer = torchTime(file, batch, mode)
      const ratio = peer === undefined ? '' : (own / peer).toFixed(2)
      console.log(
        `| ${file} | ${batch} | ${mode} | ${own.toFixed(1)} | ${peer?.toFixed(1) ?? 'not installed'} | ${ratio} |`,
      )
    }
} finally {
  await runtime.close()
}

/** Median milliseconds of a step. */
async function stepTime(run: Runtime, file: string, batch: number, mode: 'frozen' | 'training'): Promise<number> {
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
  const trainee = await floatTrainee(
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
  const { graph, initial } = trainee
  const values = new Map([...initial].map(([name, array]) => [name, array.slice()]))
  const moments = new Map(
    [...initial].map(([name, array]) => [name, [new Float32Array(array.length), new Float32Array(array.length)]]),
  )
  const optimizer = adam()
  const picture = noise([batch, ...dims.slice(1)])
  const labels = BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % 10))
  const times: number[] = []
  await withTrainingSession(run, graph, async (session) => {
    for (let round = 0; round < rounds + 3; round++) {
      const started = performance.now()
      const results = await session.run({
        [input.name]: picture,
        [FEEDS.labels]: { dtype: 'int64', dims: [batch], data: labels },
        [FEEDS.rowWeight]: { dtype: 'float32', dims: [batch], data: new Float32Array(batch).fill(1) },
        ...Object.fromEntries(
          graph.parameters.map(({ name, dims: own }): [string, TensorValue] => [
            name,
            { dtype: 'float32', dims: own, data: values.get(name)! },
          ]),
        ),
      })
      for (const { name, gradient } of graph.parameters)
        optimizer.update(values.get(name)!, results[gradient]!.data as Float32Array, moments.get(name)!, {
          rate: 1e-6,
          decay: 0,
          step: round + 1,
        })
      if (round >= 3) times.push(performance.now() - started)
    }
  })
  return median(times)
}

function torchTime(file: string, batch: number, mode: string): number | undefined {
  const script = resolve(import.meta.dirname, 'peers/torch_step.py')
  const { status, stdout } = spawnSync(python, [script, file, String(batch), mode, String(rounds)], {
    encoding: 'utf8',
  })
  const time = Number(stdout.trim().split('\n').at(-1))
  return status === 0 && Number.isFinite(time) ? time : undefined
}
