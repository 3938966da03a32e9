// A model with reductions added: a few small outputs that say what all watched values were.
import { type Attribute, GraphEditor, intAttr, intsAttr, type Model, opsetOf, Tensor } from '../onnx/index.ts'
import { joinValues } from '../runtime/index.ts'
import { groupsOf, inGraphOrder } from './pieces.ts'
import type { Watcher } from './watcher.ts'

/** Every how many elements a histogram takes one, at most; odd, so that no row or channel count hides behind it. */
export const STRIDE = 61

/** The model input that says with which element the samples begin. */
export const PHASE = 'onnxpress/phase'

/** What is reduced; Max and Min lose NaN, the mean shows it. */
const kinds = ['Max', 'Min', 'Mean'] as const
type Kind = (typeof kinds)[number]

/** Numbers of one value in a joined output: what it was reduced to, or some of its elements. */
export interface Part {
  readonly kind: Kind | 'Picked' | 'Sampled'
  readonly watcher: Watcher
}

/**
 * An output that holds numbers of several values: one a sample (or a batch) of each, or so many a sample. In front of sampled
 * elements stands their number.
 */
export interface JoinedOutput {
  readonly name: string
  /** The numbers of all parts side by side for each sample; otherwise one part after the other. */
  readonly channels: boolean
  readonly parts: readonly Part[]
}

export interface WatchedGraph {
  readonly model: Model
  readonly joined: readonly JoinedOutput[]
  /** Must PHASE be fed? */
  readonly phased: boolean
}

/**
 * Adds reductions for the watchers, joined into few outputs: many outputs cost more than the reductions.
 * @param checked watchers that also get a mean
 */
export function watchedGraph(model: Model, watchers: readonly Watcher[], checked: ReadonlySet<Watcher>): WatchedGraph {
  const editor = new GraphEditor(model)
  const reducer = new Reducer(editor, opsetOf(model))
  const sampler = new Sampler(editor)
  editor.graph.outputs.splice(0)
  const ordered = inGraphOrder(editor, watchers, ({ request }) => request.value)
  const joined: JoinedOutput[] = []
  for (const channels of [false, true]) {
    const parts = ordered.flatMap((watcher) => partsOf(watcher, channels, checked.has(watcher)))
    if (parts.length === 0) continue
    const pieces = parts.map(({ kind, watcher }) => ({
      values:
        kind === 'Sampled'
          ? sampler.slice(watcher)
          : [kind === 'Picked' ? sampler.pick(watcher) : reducer.reduce(kind, watcher)],
      elements: watcher.dims.reduce((a, b) => a * b, 1),
    }))
    const groups = groupsOf(pieces).map((group) => group.flatMap(({ values }) => values))
    const axis = channels ? 1 : 0
    const name = joinValues(editor, groups, { name: 'onnxpress/joined', dtype: 'float32', axis })
    joined.push({ name, channels, parts })
  }
  if (sampler.phased) editor.graph.inputs.push({ name: PHASE, dtype: 'int64', shape: [1] })
  return { model: editor.finish(), joined, phased: sampler.phased }
}

/** What is asked about a value, as far as it lies with the channels of maps, or else with single numbers. */
function partsOf(watcher: Watcher, channels: boolean, checked: boolean): Part[] {
  const { request } = watcher
  const isMap = watcher.channels !== undefined && watcher.dims.length === 4
  const kinds: Part['kind'][] = []
  if ((watcher.channels !== undefined) === channels)
    kinds.push('Max', ...(request.nonNegative ? [] : ['Min' as const]), ...(checked ? ['Mean' as const] : []))
  if (request.histogram && isMap === channels) kinds.push(isMap ? 'Picked' : 'Sampled')
  return kinds.map((kind) => ({ kind, watcher }))
}

/** How many numbers of a map lie in a joined output for each sample. */
export function countOf({ kind, watcher: { channels = 0, dims } }: Part): number {
  return kind === 'Picked' ? channels * latticeSize(dims) : channels
}

/** Adds reductions of a value to one number a sample, or one number when its first axis is not the batch. */
class Reducer {
  readonly #editor: GraphEditor
  readonly #opset: number
  #flat: string | undefined

  constructor(editor: GraphEditor, opset: number) {
    this.#editor = editor
    this.#opset = opset
  }

  reduce(kind: Kind, { request: { value }, dims, perSample, channels }: Watcher): string {
    const rank = dims.length
    // Pictures first lose their spatial axes: the pools work on ONNX Runtime's blocked layout, so nothing is reordered.
    const pool = { Max: 'GlobalMaxPool', Mean: 'GlobalAveragePool', Min: undefined }[kind]
    const inner = rank < 4 ? value : pool ? this.#add(pool, value, []) : this.#reduce(kind, value, range(2, rank), true)
    if (channels !== undefined) return this.#add('Flatten', inner, [], { axis: intAttr(1) })
    if (perSample && rank > 1) return this.#reduce(kind, inner, range(1, rank))
    if (perSample) return inner
    this.#flat ??= this.#editor.addTensor('onnxpress/flat', Tensor.from('int64', [1], [-1]))
    return this.#add('Reshape', this.#reduce(kind, inner, []), [this.#flat])
  }

  #reduce(kind: Kind, value: string, axes: readonly number[], keep = false): string {
    const given = axes.length > 0
    const asInput = given && this.#opset >= 18
    const inputs = asInput ? [this.#editor.addTensor('onnxpress/axes', Tensor.from('int64', [axes.length], axes))] : []
    const attributes = { keepdims: intAttr(keep ? 1 : 0), ...(given && !asInput ? { axes: intsAttr(axes) } : {}) }
    return this.#add(`Reduce${kind}`, value, inputs, attributes)
  }

  #add(opType: string, value: string, more: readonly string[], attributes: Record<string, Attribute> = {}): string {
    const output = this.#editor.freshName(`${value}/${opType}`)
    this.#editor.addNode({ opType, inputs: [value, ...more], outputs: [output], attributes })
    return output
  }
}

/** Number of the type in ONNX. */
const FLOAT32 = 1

/** Adds values that hold some elements of another. */
class Sampler {
  readonly #editor: GraphEditor
  readonly #ints = new Map<number, string>()
  phased = false

  constructor(editor: GraphEditor) {
    this.#editor = editor
  }

  /**
   * A lattice of positions, all channels of each: a depthwise Conv whose kernel is 1 at one place. It works on ONNX Runtime's
   * blocked layout, where a Slice would have the whole map reordered.
   */
  pick({ request: { value }, dims, channels = 0 }: Watcher): string {
    const axes = latticeOf(dims)
    const kernel: number[] = axes.map(({ first }) => (first > 0 ? 2 : 1))
    const area = kernel.reduce((a, b) => a * b, 1)
    const weights = new Float32Array(channels * area)
    for (let c = 0; c < channels; c++) weights[c * area + area - 1] = 1
    const weight = this.#editor.addTensor(`${value}/pick`, Tensor.from('float32', [channels, 1, ...kernel], weights))
    const output = this.#editor.freshName(`${value}/pick`)
    this.#editor.addNode({
      opType: 'Conv',
      inputs: [value, weight],
      outputs: [output],
      attributes: {
        group: intAttr(channels),
        kernel_shape: intsAttr(kernel),
        strides: intsAttr(axes.map(({ step }) => step)),
        dilations: intsAttr(axes.map(({ first }) => Math.max(1, first))),
      },
    })
    const flat = this.#editor.freshName(`${value}/flat`)
    this.#editor.addNode({ opType: 'Flatten', inputs: [output], outputs: [flat], attributes: { axis: intAttr(1) } })
    return flat
  }

  /** How many, and then every so many elements of the flat value, from another one in each batch. */
  slice({ request: { value }, dims }: Watcher): string[] {
    const output = this.#editor.freshName(`${value}/sample`)
    const stride = strideFor(dims)
    const flat = this.#editor.freshName(`${value}/flat`)
    this.#editor.addNode({ opType: 'Reshape', inputs: [value, this.#int(-1)], outputs: [flat] })
    this.phased ||= stride === STRIDE
    const start = stride === STRIDE ? PHASE : this.#int(0)
    const inputs = [flat, start, this.#int(2 ** 40), this.#int(0), this.#int(stride)]
    this.#editor.addNode({ opType: 'Slice', inputs, outputs: [output] })
    const [size, count] = [this.#editor.freshName(`${value}/size`), this.#editor.freshName(`${value}/count`)]
    this.#editor.addNode({ opType: 'Shape', inputs: [output], outputs: [size] })
    this.#editor.addNode({ opType: 'Cast', inputs: [size], outputs: [count], attributes: { to: intAttr(FLOAT32) } })
    return [count, output]
  }

  #int(value: number): string {
    const known = this.#ints.get(value)
    if (known !== undefined) return known
    const name = this.#editor.addTensor('onnxpress/int', Tensor.from('int64', [1], [value]))
    this.#ints.set(value, name)
    return name
  }
}

/** Elements of a sample that a histogram gets at least, when there are as many. */
const LEAST = 512

/** Every how many elements of a value of these dims one is taken: fewer are left out of small values. */
export function strideFor(dims: readonly number[]): number {
  const size = dims.reduce((a, b) => a * b, 1)
  return Math.min(STRIDE, Math.max(1, Math.floor(size / LEAST)))
}

interface Lattice {
  readonly first: number
  readonly step: number
}

/** Elements of a map that are picked at most, unless it has more channels. */
const MOST = 1024

/**
 * The lines of a map's lattice along each spatial axis: at least three where there are as many, as far apart as MOST asks,
 * and none at the border.
 */
export function latticeOf([, channels = 1, ...sizes]: readonly number[]): Lattice[] {
  const positions = sizes.reduce((a, b) => a * b, 1)
  const wanted = Math.ceil(((positions * channels) / MOST) ** (1 / sizes.length))
  return sizes.map((size) => {
    const step = Math.min(Math.max(wanted, 1), Math.max(1, Math.floor(size / 3)))
    return { first: Math.floor(step / 2), step }
  })
}

/** Positions of a map's lattice. */
function latticeSize(dims: readonly number[]): number {
  return latticeOf(dims).reduce(
    (positions, { first, step }, axis) => positions * (Math.floor(((dims[axis + 2] ?? 1) - first - 1) / step) + 1),
    1,
  )
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
