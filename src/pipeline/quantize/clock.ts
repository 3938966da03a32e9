// What measures time for a choice: single kernels, conversions between float and integers, and whole models in turn.
import { median } from '../../math/index.ts'
import { type Model, makeModel, makeNode, Tensor } from '../../onnx/index.ts'
import { pooledTimes, type Runtime, type Values } from '../../runtime/index.ts'
import { type Timed, timesOfNodes } from '../node-times.ts'

/** Where the latency of a target is measured. */
export interface Clock {
  readonly runtime: Runtime
  /** Times every kernel of the graph that the runtime makes of a model. */
  readonly profile?: (model: Model, feeds: Values, rounds: number) => Promise<readonly Timed[]>
}

/** One that tells how long single kernels take. */
export type ProfilingClock = Required<Clock>

/** Milliseconds that a profile takes at most, and its runs. */
const PROFILE_MS = 1500
const ROUNDS = { least: 4, most: 30 }
/** Openings of whole models, and how long each is timed. */
const OPENINGS = 3
const TIMING = { warmups: 3, rounds: 60, limitMs: 400 }
export interface Profile {
  readonly nodes: Readonly<Record<string, number>>
  readonly totalMs: number
  /** Kernels that no node of the float model stands for: conversions and changes of layout. */
  readonly others: number
}

/** Times the kernels of a model, by the nodes of the float model that they stand for. */
export async function profiled(clock: ProfilingClock, float: Model, model: Model, feeds: Values): Promise<Profile> {
  const kernels = await clock.profile(model, feeds, ROUNDS.least)
  const once = total(kernels)
  const rounds = Math.min(ROUNDS.most, Math.floor(PROFILE_MS / Math.max(once, 1e-3)))
  const more = rounds > ROUNDS.least ? await clock.profile(model, feeds, rounds) : kernels
  const nodes = timesOfNodes(float, more)
  const totalMs = total(more)
  return { nodes, totalMs, others: Math.max(0, totalMs - Object.values(nodes).reduce((sum, ms) => sum + ms, 0)) }
}

const total = (kernels: readonly Timed[]) => kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0)

/** Medians of whole models in turn, with sessions opened anew: where their memory comes to lie matters. */
export async function timed(runtime: Runtime, models: readonly Model[], feeds: Values): Promise<number[]> {
  const limitMs = TIMING.limitMs * models.length
  const lists = await pooledTimes(runtime, models, feeds, { ...TIMING, limitMs, openings: OPENINGS })
  return lists.map((list) => median(list))
}

/** Elements of the values that conversions are timed on. */
const SIZES = [4096, 262144] as const

/** Milliseconds of both conversions by the number of elements. */
export async function conversionTimes(
  clock: ProfilingClock,
): Promise<Record<'quantize' | 'dequantize', (elements: number) => number>> {
  const [few, many] = await Promise.all(SIZES.map(async (size) => conversionsOf(clock, size)))
  const line = (op: 'quantize' | 'dequantize') => {
    const [low, high] = [few?.[op] ?? 0, many?.[op] ?? 0]
    const slope = Math.max(0, high - low) / (SIZES[1] - SIZES[0])
    const start = Math.max(0, low - slope * SIZES[0])
    return (elements: number) => start + slope * elements
  }
  return { quantize: line('quantize'), dequantize: line('dequantize') }
}

async function conversionsOf(
  { profile }: ProfilingClock,
  size: number,
): Promise<{ quantize: number; dequantize: number }> {
  const model = makeModel({
    name: 'conversions',
    nodes: [
      makeNode({ opType: 'QuantizeLinear', inputs: ['x', 'scale', 'zero'], outputs: ['codes'] }),
      makeNode({ opType: 'DequantizeLinear', inputs: ['codes', 'scale', 'zero'], outputs: ['y'] }),
    ],
    initializers: { scale: Tensor.scalar(0.01), zero: Tensor.from('uint8', [], [128]) },
    inputs: [{ name: 'x', dtype: 'float32', shape: [1, size] }],
    outputs: [{ name: 'y', dtype: 'float32' }],
  })
  const x = { dtype: 'float32' as const, dims: [1, size], data: new Float32Array(size).fill(0.5) }
  const kernels = await profile(model, { x }, ROUNDS.most)
  const of = (op: string) => total(kernels.filter((kernel) => kernel.op === op))
  return { quantize: of('QuantizeLinear'), dequantize: of('DequantizeLinear') }
}
