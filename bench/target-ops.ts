// What each operator is worth in integers: a chain in float, in integers, and in integers but for that operator, which is then float.
// node --import tsx bench/target-ops.ts ort-cpu|ort-wasm [word of an operator]: milliseconds (lower quartile, for what else a machine
// does only adds), one thread, on the runtime that the target names.
import * as ort from 'onnxruntime-web'
import { calibrate } from '../src/calibrate/index.ts'
import type { Batch } from '../src/data/index.ts'
import { randomStream } from '../src/math/index.ts'
import type { Model } from '../src/onnx/index.ts'
import { insertQdq, makePlan, place, quantizeDefaults, targetOf, tensorsToObserve } from '../src/quantize/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import {
  measureLatency,
  observeShapes,
  type Runtime,
  typesOf,
  type Values,
  webRuntime,
  withSession,
} from '../src/runtime/index.ts'
import { tinyModel } from '../test/support/tiny-model.ts'

/** Repetitions of the operator in its chain. */
const LENGTH = 4
/** Times that the three are opened and timed in turn. */
const ROUNDS = 3

/** The operator under test writes t0, t1, …; around it are convolutions 1×1. */
function between(channels: number, step: string, size = 28): string {
  const pointwise = `Conv 1x1 ${channels}->${channels}`
  const steps = Array.from({ length: LENGTH }, (_, i) => `${step} -> t${i}; t${i} -> ${pointwise} -> c${i}; c${i}`)
  return `x[1,${channels},${size},${size}] -> ${pointwise} -> a; a -> ${steps.join(' -> ')} -> Sqrt -> y`
}

/** The operator under test behind itself. */
const chain = (input: string, step: string) =>
  `${input} -> ${Array.from({ length: LENGTH }, (_, i) => `${step} -> t${i}; t${i}`).join(' -> ')} -> Sqrt -> y`

const drawings: Readonly<Record<string, string>> = {
  'Conv 3×3, 3 to 32 channels, once': 'x[1,3,112,112] -> Conv 3x3 3->32 strides=2,2 -> t0; t0 -> Sqrt -> y',
  'Conv 3×3, 4 channels': chain('x[1,4,56,56]', 'Conv 3x3 4->4 pads=1,1,1,1'),
  'Conv 3×3, 8 channels': chain('x[1,8,56,56]', 'Conv 3x3 8->8 pads=1,1,1,1'),
  'Conv 3×3, 16 channels': chain('x[1,16,56,56]', 'Conv 3x3 16->16 pads=1,1,1,1'),
  'Conv 3×3, 32 channels': chain('x[1,32,28,28]', 'Conv 3x3 32->32 pads=1,1,1,1'),
  'Conv 3×3, 64 channels': chain('x[1,64,28,28]', 'Conv 3x3 64->64 pads=1,1,1,1'),
  'Conv 3×3, 64 channels, 4 groups': between(64, 'Conv 3x3 64->64 pads=1,1,1,1 group=4'),
  'Conv 3×3, 64 channels, depthwise': between(64, 'Conv 3x3 64->64 pads=1,1,1,1 group=64'),
  'Conv 1×1, 4 channels': chain('x[1,4,56,56]', 'Conv 1x1 4->4'),
  'Conv 1×1, 8 channels': chain('x[1,8,56,56]', 'Conv 1x1 8->8'),
  'Conv 1×1, 16 channels': chain('x[1,16,56,56]', 'Conv 1x1 16->16'),
  'Conv 1×1, 32 channels': chain('x[1,32,28,28]', 'Conv 1x1 32->32'),
  'Conv 1×1, 64 channels': chain('x[1,64,28,28]', 'Conv 1x1 64->64'),
  'Conv 1×1, 256 channels': chain('x[1,256,14,14]', 'Conv 1x1 256->256'),
  'Gemm, 512': chain('x[1,512]', 'Gemm 512->512'),
  'MatMul, 64 rows of 256': chain('x[1,64,256]', 'MatMul 256->256'),
  Add: between(64, 'Add =a'),
  Mul: between(64, 'Mul =a'),
  LeakyRelu: between(64, 'LeakyRelu'),
  Sigmoid: between(64, 'Sigmoid'),
  Softmax: between(64, 'Softmax axis=3'),
  AveragePool: between(64, 'AveragePool 3x3 pads=1,1,1,1'),
  MaxPool: between(64, 'MaxPool 3x3 pads=1,1,1,1'),
  Transpose: between(64, 'Transpose perm=0,1,3,2'),
}

const named = targetOf(process.argv[2] ?? 'ort-wasm')
// What the table calls slow is what is to be measured.
const target = { ...named, ops: named.ops.map(({ slow: _slow, ...op }) => op) }
const runtime = target.runtime === 'onnxruntime-web' ? webRuntime(ort) : await openRuntime({ threads: 1 })
console.log(`${target.name} on ${runtime.name} ${runtime.version}, one thread; milliseconds`)
console.log('| operator | float | integer | integer, but it in float |\n|---|---|---|---|')
const wanted = process.argv[3] ?? ''
for (const [name, drawing] of Object.entries(drawings).filter(([name]) => name.includes(wanted))) {
  const model = tinyModel(drawing)
  const forms = [model, await quantized(runtime, model, []), await quantized(runtime, model, ['*_t?'])]
  const found = await timesOf(runtime, forms, feedsOf(model))
  console.log(`| ${name} | ${found.map((ms) => ms.toFixed(2)).join(' | ')} |`)
}
await runtime.close()

function feedsOf(model: Model, seed = 1): Values {
  return Object.fromEntries(
    model.graph.inputs.map(({ name, shape = [] }) => {
      const random = randomStream(seed, name)
      const dims = shape.map(Number)
      return [
        name,
        {
          dtype: 'float32' as const,
          dims,
          data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, random.normal),
        },
      ]
    }),
  )
}

async function quantized(runtime: Runtime, model: Model, exclude: readonly string[]): Promise<Model> {
  const options = { ...quantizeDefaults, target, exclude }
  const placement = place(model, options, typesOf(model))
  async function* samples(): AsyncGenerator<Batch> {
    yield { ids: ['1'], size: 1, inputs: feedsOf(model) }
  }
  const requests = tensorsToObserve(placement).map(({ value }) => ({ value }))
  const shapes = await observeShapes(runtime, model, feedsOf(model))
  const seen =
    requests.length === 0 ? new Map() : await calibrate(runtime, model, samples(), { requests, shapes, total: 1 })
  return insertQdq(model, makePlan(model, placement, { statistics: seen, options }))
}

async function timesOf(runtime: Runtime, models: readonly Model[], feeds: Values): Promise<number[]> {
  const [a, b, c] = models
  if (!a || !b || !c) return []
  const lists: number[][] = [[], [], []]
  for (let round = 0; round < ROUNDS; round++)
    await withSession(runtime, a, {}, (first) =>
      withSession(runtime, b, {}, (second) =>
        withSession(runtime, c, {}, async (third) => {
          const options = { warmups: 3, rounds: 20, limitMs: 400 }
          const found = await measureLatency(runtime, [first, second, third], feeds, options)
          for (const [i, { lowMs }] of found.entries()) lists[i]?.push(lowMs)
        }),
      ),
    )
  return lists.map((times) => Math.min(...times))
}
