// What the channels of values do on real samples: mean, deviation, smallest and largest, in one pass, reduced in the graph.
import { InputError, report, type TensorValue, throwIfCancelled, type Watch } from '../base/index.ts'
import type { Batch } from '../data/index.ts'
import {
  GraphEditor,
  intAttr,
  intsAttr,
  type Model,
  opsetOf,
  type Shapes,
  type Statistics,
  Tensor,
  type ValueShape,
} from '../onnx/index.ts'
import { type Runtime, withSession } from '../runtime/index.ts'
import { ChannelTally } from './channel-tally.ts'
import { JoinedRows, type Place } from './joined-rows.ts'
import { noted, statisticsIn } from './merge-parts.ts'
import { inGraphOrder } from './pieces.ts'

/** A value and the axis of its channels. */
export interface ChannelRequest {
  readonly value: string
  readonly axis: number
  /** What makes it gives nothing below 0: the minimum needs no looking. */
  readonly nonNegative?: boolean
}

const kinds = ['Max', 'Min', 'Mean', 'Square'] as const

/** What a pass looks at. */
export interface ChannelOptions extends Watch {
  readonly requests: readonly ChannelRequest[]
  /** Observed shapes of the values. */
  readonly shapes: Shapes
  /** Samples that there will be, for progress. */
  readonly total: number
}

/**
 * Mean, standard deviation, minimum and maximum of each channel over all samples and positions. Sums are exact; memory does
 * not depend on the number of samples. Values whose shape was not observed, or whose first axis is not the batch, are left out.
 * @returns value name → statistics
 * @throws InputError when there are no samples
 */
export async function channelStatistics(
  runtime: Runtime,
  model: Model,
  batches: AsyncIterable<Batch>,
  options: ChannelOptions,
): Promise<Statistics> {
  let any = options.requests.length === 0
  const tallies = await channelPart(
    runtime,
    model,
    noted(batches, () => (any = true)),
    options,
  )
  if (!any) throw new InputError('there are no samples to look at channels with')
  return statisticsIn(tallies)
}

/**
 * A part of the statistics of channels: what some of the batches show. Parts merge with `mergeParts`, and `statisticsIn` gives then
 * what `channelStatistics` gives of all batches, bit for bit on the same kind of machine.
 * @returns value name → tally; of no batch at all an empty one
 */
export async function channelPart(
  runtime: Runtime,
  model: Model,
  batches: AsyncIterable<Batch>,
  options: ChannelOptions,
): Promise<ReadonlyMap<string, ChannelTally>> {
  const watchers = options.requests.flatMap((request) => {
    const shape = options.shapes.get(request.value)
    const channels = shape?.dims[request.axis]
    return shape?.dtype === 'float32' && channels !== undefined && request.axis >= 1
      ? [new Watcher(request, channels, shape)]
      : []
  })
  if (watchers.length === 0) return new Map()
  const observed = addReductions(model, watchers)
  await withSession(runtime, observed, { optimization: 'all', derived: 'watching its channels' }, async (session) => {
    let done = 0
    for await (const batch of batches) {
      throwIfCancelled(options.signal)
      report(options, { step: 'channels', done, total: options.total })
      const results = await session.run(batch.inputs)
      const share = batch.fixed ? batch.size / batch.fixed.size : 1
      for (const watcher of watchers) watcher.add(results, share)
      done += batch.size
    }
    report(options, { step: 'channels', done, total: options.total })
  })
  return new Map(watchers.map((watcher) => [watcher.request.value, watcher.tally]))
}

/** Adds maximum, minimum, mean and mean square over all axes but the channels' and the batch's. */
function addReductions(model: Model, watchers: readonly Watcher[]): Model {
  const editor = new GraphEditor(model)
  const opset = opsetOf(model)
  editor.graph.outputs.splice(0)
  const joined = new JoinedRows(editor)
  const watch = (watcher: Watcher, kind: string, value: string) => {
    const { rows, rank, channels: columns, elements, places } = watcher
    if (rank >= 4) {
      joined.add(rows, { value, columns, elements, take: (place) => (places[kind] = place) })
    } else {
      editor.graph.outputs.push({ name: value, dtype: 'float32' })
      places[kind] = { output: value, from: 0, width: columns }
    }
  }
  for (const watcher of inGraphOrder(editor, watchers, ({ request }) => request.value)) {
    const { value, axis } = watcher.request
    const axes = Array.from({ length: watcher.rank }, (_, i) => i).filter((i) => i !== axis && i !== 0)
    if (axes.length === 0) {
      const output = editor.freshName(`${value}/plain`)
      editor.addNode({ opType: 'Identity', inputs: [value], outputs: [output] })
      watch(watcher, 'plain', output)
      continue
    }
    for (const kind of kinds) {
      if (kind === 'Min' && watcher.request.nonNegative) continue
      const isMap = axis === 1 && watcher.rank >= 4
      watch(watcher, kind, isMap ? pooled(editor, kind, value) : reduced(editor, kind, { value, axes, opset }))
    }
  }
  joined.finish()
  return editor.finish()
}

/** Global pools work on the blocked layout of the convolutions, where a reduction would reorder the map first. */
function pooled(editor: GraphEditor, kind: (typeof kinds)[number], value: string): string {
  const add = (opType: string, input: string) => {
    const output = editor.freshName(`${value}/channels/${opType}`)
    editor.addNode({ opType, inputs: [input], outputs: [output] })
    return output
  }
  switch (kind) {
    case 'Max':
      return add('GlobalMaxPool', value)
    case 'Min':
      return add('Neg', add('GlobalMaxPool', add('Neg', value)))
    case 'Mean':
      return add('GlobalAveragePool', value)
    default:
      return add('GlobalAveragePool', square(editor, value))
  }
}

/** What is reduced to one number a channel. */
interface Reduction {
  readonly value: string
  /** All but the samples and the channels. */
  readonly axes: readonly number[]
  readonly opset: number
}

function reduced(editor: GraphEditor, kind: (typeof kinds)[number], { value, axes, opset }: Reduction): string {
  const asInput = opset >= 18
  const output = editor.freshName(`${value}/channels/${kind}`)
  const from = kind === 'Square' ? square(editor, value) : value
  const inputs = asInput ? [from, editor.addTensor('axes', Tensor.from('int64', [axes.length], axes))] : [from]
  const attributes = { keepdims: intAttr(0), ...(asInput ? {} : { axes: intsAttr(axes) }) }
  editor.addNode({ opType: kind === 'Square' ? 'ReduceMean' : `Reduce${kind}`, inputs, outputs: [output], attributes })
  return output
}

function square(editor: GraphEditor, value: string): string {
  const output = editor.freshName(`${value}/square`)
  editor.addNode({ opType: 'Mul', inputs: [value, value], outputs: [output] })
  return output
}

/** Collects one value. */
class Watcher {
  readonly request: ChannelRequest
  readonly dims: readonly number[]
  /** Values of which this is the same have as many rows in every batch. */
  readonly rows: string
  readonly channels: number
  readonly places: Record<string, Place> = {}
  readonly tally: ChannelTally

  constructor(request: ChannelRequest, channels: number, { dims, batchAxis }: ValueShape) {
    this.request = request
    this.dims = dims
    this.rows = `${batchAxis} ${dims[0]}`
    this.channels = channels
    this.tally = new ChannelTally(channels, request.nonNegative === true)
  }

  get rank(): number {
    return this.dims.length
  }

  get elements(): number {
    return this.dims.reduce((a, b) => a * b, 1)
  }

  /** @param share of the rows that count; what fills a fixed batch up lies behind them */
  add(results: Readonly<Record<string, TensorValue>>, share: number): void {
    const plain = this.places['plain']
    const of = (kind: string) => {
      const { output, from, width } = plain ?? this.places[kind] ?? { output: '', from: 0, width: 0 }
      const data = results[output]?.data as Float32Array
      return {
        data,
        row: (row: number) => data.subarray(row * width + from, row * width + from + this.channels),
        width,
      }
    }
    const [high, mean, squares] = [of('Max'), of('Mean'), of('Square')]
    const low = this.request.nonNegative ? undefined : of('Min')
    const rows = Math.ceil((share * mean.data.length) / mean.width)
    for (let row = 0; row < rows; row++)
      this.tally.take({
        means: mean.row(row),
        highs: high.row(row),
        squares: plain ? undefined : squares.row(row),
        lows: low?.row(row),
      })
  }
}
