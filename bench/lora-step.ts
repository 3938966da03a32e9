// Time of a step that trains low-rank adapters, side by side with PyTorch where it is installed: forward, backward, Adam, copies.
// The two take turns, a few steps each; medians of all. Processor time tells more than the clock on a machine that others use.
// Usage: [PYTHON=python3] node --import tsx bench/lora-step.ts [llama|minilm] [steps a turn] [threads]
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { TensorValue } from '../src/base/index.ts'
import { median, randomStream } from '../src/math/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { GraphEditor, intAttr, intsAttr, type Model, Tensor } from '../src/onnx/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import type { Runtime } from '../src/runtime/index.ts'
import { crossEntropy, loraTrainableModel } from '../src/train/index.ts'
import { noModels, sharedFolder } from '../test/support/manifest.ts'
import { type Step, withTimedSteps } from './timed-steps.ts'

const RANK = 8
const TURNS = 3
const WARM_UPS = 3
const word = process.argv[2] ?? ''
const rounds = Number(process.argv[3] ?? 8)
const threads = Number(process.argv[4] ?? availableParallelism())
const python = process.env['PYTHON'] ?? 'python3'

/** A network, what it is trained on, and how many tokens a sample has. */
interface Case {
  readonly name: string
  readonly model: () => Promise<Model>
  readonly batch: number
  readonly tokens: number
  readonly vocabulary: number
}

const cases: readonly Case[] = [
  {
    name: 'llama',
    model: () => readModelFile(join(sharedFolder, 'models/babyllama_tok105_decoder.onnx')),
    ...{ batch: 16, tokens: 128, vocabulary: 105 },
  },
  {
    name: 'minilm',
    model: async () => withHead(await readModelFile(join(sharedFolder, 'models/strangers/minilm_l6.onnx'))),
    ...{ batch: 2, tokens: 64, vocabulary: 30_000 },
  },
]

if (noModels) throw new Error(noModels)
const runtime = await openRuntime({ threads })
try {
  console.log(`${threads} threads, rank ${RANK}`)
  console.log(
    '| model | batch | tokens | onnxpress, ms | processor | PyTorch, ms | processor | ratio | of processor time |',
  )
  console.log('|---|---|---|---|---|---|---|---|---|')
  for (const each of cases.filter(({ name }) => name.includes(word))) {
    const own: Step[] = []
    const peer: Step[] = []
    await withSteps(runtime, each, async (take) => {
      for (let turn = 0; turn < TURNS; turn++) {
        own.push(...(await take(rounds + WARM_UPS)).slice(WARM_UPS))
        peer.push(...torchSteps(each))
      }
    })
    const middle = (steps: readonly Step[], key: keyof Step) => median(steps.map((step) => step[key]))
    const cells = (steps: readonly Step[]) => (['ms', 'cpuMs'] as const).map((key) => middle(steps, key).toFixed(1))
    const ratio = (key: keyof Step) => (middle(own, key) / middle(peer, key)).toFixed(2)
    const others = peer.length > 0 ? [...cells(peer), ratio('ms'), ratio('cpuMs')] : ['not installed', '', '', '']
    console.log(`| ${[each.name, each.batch, each.tokens, ...cells(own), ...others].join(' | ')} |`)
  }
} finally {
  await runtime.close()
}

/** An encoder with a classifier of two classes on the mean of its tokens. */
function withHead(model: Model): Model {
  const editor = new GraphEditor(model)
  const hidden = editor.graph.outputs[0]?.name ?? ''
  const width = 384
  const random = randomStream(0, 'head')
  const weight = Tensor.from(
    'float32',
    [2, width],
    Float32Array.from({ length: 2 * width }, () => random.uniform(-0.05, 0.05)),
  )
  editor.graph.outputs.splice(0, 1, { name: 'logits', dtype: 'float32' })
  editor.addNode({
    opType: 'ReduceMean',
    inputs: [hidden],
    outputs: ['pooled'],
    attributes: { axes: intsAttr([1]), keepdims: intAttr(0) },
  })
  editor.addNode({
    opType: 'Gemm',
    inputs: ['pooled', editor.addTensor('head', weight)],
    outputs: ['logits'],
    attributes: { transB: intAttr(1) },
  })
  return editor.finish()
}

/** Hands out a function that takes so many steps. */
async function withSteps(
  run: Runtime,
  { name, model, batch, tokens, vocabulary }: Case,
  work: (take: (count: number) => Promise<Step[]>) => Promise<void>,
): Promise<void> {
  const read = await model()
  const random = randomStream(0, name)
  const ids = (input: string, samples: number): TensorValue => ({
    dtype: 'int64',
    dims: [samples, tokens],
    data: BigInt64Array.from({ length: samples * tokens }, () =>
      BigInt(input.includes('mask') ? 1 : input.includes('type') ? 0 : Math.floor(random.uniform(0, vocabulary))),
    ),
  })
  const feeds = (samples: number) =>
    Object.fromEntries(read.graph.inputs.map((input): [string, TensorValue] => [input.name, ids(input.name, samples)]))
  const loss = [crossEntropy()]
  const trainable = await loraTrainableModel(run, read, feeds(1), { rank: RANK, seed: 0, batch, loss })
  const labels = BigInt64Array.from({ length: trainable.graph.needs.rows }, (_, i) => BigInt(i % 2))
  await withTimedSteps(run, trainable, feeds(batch), labels, work)
}

/** Steps of PyTorch; none where it is not installed. */
function torchSteps({ name, batch, tokens }: Case): Step[] {
  const script = resolve(import.meta.dirname, 'peers/torch_lora_step.py')
  const options = [script, name, String(batch), String(tokens), String(RANK), String(rounds), String(threads)]
  const { status, stdout } = spawnSync(python, options, { encoding: 'utf8' })
  return status === 0 ? (JSON.parse(stdout.trim().split('\n').at(-1) ?? '[]') as Step[]) : []
}
