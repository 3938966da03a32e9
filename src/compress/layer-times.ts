// Measured latency as a cost: a table of timed single layers.
import { report, sizeOf, throwIfCancelled, type Watch } from '../base/index.ts'
import { quantile } from '../math/index.ts'
import { type Attribute, intAttr, intsAttr, type Model, makeModel, makeNode, type Node, Tensor } from '../onnx/index.ts'
import type { Runtime, TimeOptions } from '../runtime/index.ts'
import { type CostModel, type CostShape, defineCost } from './cost.ts'

/** Milliseconds of one run of one sample, by `timingKey`. */
export type LayerTimes = ReadonlyMap<string, number>

/** Everything that the time of a layer depends on, beside runtime and machine. */
export function timingKey({ inputs, outputs, groups, bias, layout, part, input }: CostShape): string {
  const { kernel, strides, dilations, pads, output } = part
  const sizes = [inputs, outputs, groups, kernel, strides, dilations, pads, input, output].map(String)
  return `${layout} ${sizes.join(' ')}${bias ? ' bias' : ''}`
}

/** Time by a table. A shape that was not timed costs more than anything, so nothing untimed is chosen. */
export function measuredTime(times: LayerTimes): CostModel {
  return defineCost({
    name: 'time',
    unit: 'ms',
    cost: (shape) => times.get(timingKey(shape)) ?? Number.POSITIVE_INFINITY,
  })
}

/** Copies of a layer in a timed model: the difference is what they take, without what a run takes. */
const [FEW, MANY] = [2, 8]
const TIMING: TimeOptions = { warmups: 2, rounds: 60, limitMs: 200 }

export interface LayerTimesOptions {
  /** Times of an earlier run, by key. */
  readonly known?: (key: string) => number | undefined | Promise<number | undefined>
  /** Is told of each new time. */
  readonly keep?: (key: string, milliseconds: number) => unknown
  readonly timing?: TimeOptions
}

/**
 * Times layers one by one, several copies of each side by side in a model, so that the messages around a run and the
 * change of layout at its ends do not count.
 */
export async function timeLayers(
  runtime: Runtime,
  shapes: readonly CostShape[],
  watch: Watch,
  { known, keep, timing = TIMING }: LayerTimesOptions = {},
): Promise<LayerTimes> {
  const wanted = new Map(shapes.map((shape) => [timingKey(shape), shape]))
  const times = new Map<string, number>()
  let done = 0
  for (const [key, shape] of wanted) {
    throwIfCancelled(watch.signal)
    report(watch, { step: 'time-layers', done: done++, total: wanted.size, message: key })
    let time = await known?.(key)
    if (time === undefined) {
      time = await timeLayer(runtime, shape, timing)
      await keep?.(key, time)
    }
    times.set(key, time)
  }
  report(watch, { step: 'time-layers', done: wanted.size, total: wanted.size })
  return times
}

async function timeLayer(runtime: Runtime, shape: CostShape, timing: TimeOptions): Promise<number> {
  const x = {
    dtype: 'float32' as const,
    dims: inputDims(shape),
    data: new Float32Array(sizeOf(inputDims(shape))).fill(0.5),
  }
  const sessions = []
  try {
    for (const copies of [FEW, MANY])
      sessions.push(await runtime.open(copiesOf(shape, copies), { label: 'a timed layer' }))
    const { milliseconds } = await runtime.time(sessions, [{ x }, { x }], timing)
    // What else the machine does only ever adds time.
    const [few = 0, many = 0] = milliseconds.map((times) => quantile(times, 0.1))
    return Math.max(1e-6, (many - few) / (MANY - FEW))
  } finally {
    for (const session of sessions) await session.close()
  }
}

function inputDims({ layout, inputs, input }: CostShape): number[] {
  return layout === 'conv' ? [1, inputs, ...input] : [1, input[0] * input[1], inputs]
}

/** Copies of a layer that read the same input; their outputs are added up. */
function copiesOf(shape: CostShape, copies: number): Model {
  const { layout, inputs, outputs, groups, bias, part } = shape
  const { kernel, strides, dilations, pads } = part
  const conv = layout === 'conv'
  const dims = conv ? [outputs, inputs / groups, ...kernel] : [inputs, outputs]
  const attributes: Record<string, Attribute> = conv
    ? {
        ...{ kernel_shape: intsAttr(kernel), strides: intsAttr(strides), dilations: intsAttr(dilations) },
        ...{ pads: intsAttr(pads), group: intAttr(groups) },
      }
    : {}
  const initializers: Record<string, Tensor> = {}
  const nodes: Node[] = []
  const ends = Array.from({ length: copies }, (_, i) => `y${i}`)
  for (const [i, end] of ends.entries()) {
    // Different numbers, so that copies are not recognised as one.
    initializers[`w${i}`] = Tensor.from('float32', dims, new Float32Array(sizeOf(dims)).fill((i + 1) / 100))
    if (bias) initializers[`b${i}`] = Tensor.from('float32', [outputs], new Float32Array(outputs).fill(i))
    const product = conv || !bias ? end : `${end}/product`
    const read = ['x', `w${i}`, ...(conv && bias ? [`b${i}`] : [])]
    nodes.push(makeNode({ opType: conv ? 'Conv' : 'MatMul', inputs: read, outputs: [product], attributes }))
    if (product !== end) nodes.push(makeNode({ opType: 'Add', inputs: [product, `b${i}`], outputs: [end] }))
  }
  nodes.push(makeNode({ opType: 'Sum', inputs: ends, outputs: ['y'] }))
  return makeModel({
    name: 'timed layer',
    nodes,
    initializers,
    inputs: [{ name: 'x', dtype: 'float32', shape: inputDims(shape) }],
    outputs: [{ name: 'y', dtype: 'float32' }],
  })
}
