// One forward walk: finds the constant channels of each layer, takes their weights, and tells the readers.
import {
  type Bounds,
  bothBounds,
  boundsRules,
  type ChannelStatistics,
  clipBounds,
  flowChannels,
  type GraphEditor,
  isOp,
  layerBounds,
  type Node,
  nodeName,
  type Shapes,
  seesBorder,
  type Tensor,
  type ViewedLayer,
} from '../../onnx/index.ts'
import { biasOf, foldableLayer, forEachWeight, writeLayer } from '../batch-norm/layer-edit.ts'
import { tiedTensors } from '../constants/tied.ts'
import type { PassLog } from '../edit-pass.ts'

/** How sure it is that a channel is constant. */
export type DeadKind = 'proved' | 'nearly' | 'assumed'

/** A channel that moves less than this share of what is usual in its layer is constant. */
const SMALL = 1e-3

/** Deviations around the mean that a value is assumed to keep to. */
const DEVIATIONS = 8

interface Found {
  readonly node: Node
  readonly zero: Record<DeadKind, number>
  readonly other: Record<DeadKind, number>
  weights: number
}

const none = (): Record<DeadKind, number> => ({ proved: 0, nearly: 0, assumed: 0 })

/** Folds constant channels in an editor's graph; statistics in the log follow. */
export class DeadChannelFolder {
  readonly #editor: GraphEditor
  readonly #log: PassLog
  readonly #shapes: Shapes
  readonly #found = new Map<string, Found>()
  readonly #tied: ReadonlySet<Tensor>
  #kind: DeadKind = 'proved'

  constructor(editor: GraphEditor, log: PassLog, shapes: Shapes) {
    this.#editor = editor
    this.#log = log
    this.#shapes = shapes
    this.#tied = tiedTensors(editor.graph)
  }

  /** Walks the graph once, folding what is constant with this certainty. */
  fold(kind: DeadKind): void {
    const editor = this.#editor
    this.#kind = kind
    const graph = {
      nodes: editor.graph.nodes,
      inputs: editor.graph.inputs.map((input) => input.name),
      constants: (value: string | undefined) => editor.constant(value),
      shapes: this.#shapes,
    }
    flowChannels(graph, {
      ...boundsRules,
      layer: ({ node, view, ...layer }, seen) => {
        const foldable = foldableLayer(editor, node)
        if (typeof foldable === 'string' || this.#tied.has(foldable.weight))
          return layerBounds({ ...layer, node, view }, seen)
        this.#forgetInputs(foldable, seen)
        return this.#foldOutputs(node, seen)
      },
      refine: (value, facts) => this.#refine(value, facts),
    })
  }

  /** Writes down what was done, layer by layer. */
  report(): void {
    for (const { node, zero, other, weights } of this.#found.values()) {
      const parts: string[] = []
      for (const kind of ['proved', 'nearly', 'assumed'] as const) {
        const counts = [zero[kind] ? `${zero[kind]} always 0` : '', other[kind] ? `${other[kind]} constant` : '']
        const said = counts.filter((count) => count !== '').join(', ')
        if (said !== '') parts.push(`channels ${said} (${kind})`)
      }
      if (weights > 0) parts.push(`${weights} weights that read a constant channel are 0`)
      this.#log.changed(node, parts.join('; '))
    }
  }

  /** Weights that read a constant channel become 0; a constant other than 0 goes into the bias. */
  #forgetInputs(layer: ViewedLayer, seen: readonly Bounds[]): void {
    const { node, facts, view, weight, alpha } = layer
    const border = seesBorder(layer)
    const constants = seen.map(({ low, high }) =>
      low === high && (low === 0 || !(border || facts.bias === undefined)) ? low : undefined,
    )
    if (constants.every((value) => value === undefined)) return
    const first = (o: number) => Math.floor((o * view.groups) / view.outputs) * view.inputsPerGroup
    const bias = biasOf(layer)
    const values = weight.floats()
    let forgotten = 0
    forEachWeight(view, (at, o, i) => {
      const constant = constants[first(o) + i]
      const value = values[at] ?? 0
      if (constant === undefined || value === 0) return
      bias[o] = (bias[o] ?? 0) + alpha * value * constant
      forgotten++
    })
    if (forgotten === 0) return
    writeLayer(this.#editor, layer, (value, o, i) => (constants[first(o) + i] === undefined ? value : 0), bias)
    this.#of(node).weights += forgotten
  }

  #foldOutputs(node: Node, seen: readonly Bounds[]): readonly Bounds[] {
    const editor = this.#editor
    const layer = foldableLayer(editor, node)
    if (typeof layer === 'string') return []
    const output = node.outputs[0] ?? ''
    const bounds = this.#assumed(output, layerBounds(layer, seen))
    const width = ({ low, high }: Bounds) => high - low
    const usual = median(bounds.map(width).filter((each) => each > 0))
    const activation = this.#activationOf(output)
    // A BatchNormalization that was not folded makes much of what hardly moves.
    const isStretched = this.#editor.consumers(output).some((node) => isOp(node, 'BatchNormalization'))
    const constants = bounds.map((each): number | undefined => {
      if (activation && each.high <= activation.low) return activation.low
      if (activation && each.low >= activation.high) return activation.high
      if (width(each) === 0) return each.low
      const isSmall = this.#kind !== 'proved' && !isStretched && Number.isFinite(usual) && width(each) < SMALL * usual
      return isSmall ? (each.low + each.high) / 2 : undefined
    })
    this.#takeWeights(layer, constants, activation)
    return bounds.map((each, o) => {
      const constant = constants[o]
      return constant === undefined || (layer.facts.bias === undefined && constant !== 0) ? each : exactly(constant)
    })
  }

  /** Gives constant channels their constant as bias and no weights; counts those that had any. */
  #takeWeights(layer: ViewedLayer, constants: readonly (number | undefined)[], activation?: Bounds): void {
    const { node, facts, view, weight } = layer
    const values = weight.floats()
    const before = biasOf(layer)
    const weighted = new Set<number>()
    forEachWeight(view, (at, o) => {
      if (values[at] !== 0) weighted.add(o)
    })
    const dead = new Map<number, number>()
    for (const [o, constant] of constants.entries()) {
      // Without a bias there is nothing to hold a constant.
      if (constant === undefined || (facts.bias === undefined && constant !== 0)) continue
      if (weighted.has(o) || Math.fround(constant) !== Math.fround(before[o] ?? 0)) dead.set(o, constant)
    }
    if (dead.size === 0) return
    const bias = before.map((value, o) => dead.get(o) ?? value)
    writeLayer(this.#editor, layer, (value, o) => (dead.has(o) ? 0 : value), bias)
    for (const [o, constant] of dead) {
      const after = activation ? Math.min(Math.max(constant, activation.low), activation.high) : constant
      if (weighted.has(o)) this.#of(node)[after === 0 ? 'zero' : 'other'][this.#kind]++
    }
    if (![...dead.keys()].some((o) => weighted.has(o))) this.#of(node)
  }

  /** The bounds of the Relu or Clip that alone reads a value. */
  #activationOf(value: string): Bounds | undefined {
    const next = this.#editor.soleConsumer(value)
    if (!next || next.inputs[0] !== value) return undefined
    if (isOp(next, 'Relu')) return { low: 0, high: Number.POSITIVE_INFINITY }
    return isOp(next, 'Clip') ? clipBounds(next, (name) => this.#editor.constant(name)) : undefined
  }

  #assumed(value: string, facts: readonly Bounds[]): readonly Bounds[] {
    const known = this.#kind === 'assumed' ? this.#log.statistics.get(value) : undefined
    if (known?.mean.length !== facts.length) return facts
    return facts.map((fact, c) => bothBounds(fact, likely(known, c)))
  }

  /**
   * Narrows bounds by statistics where that is asked for, and tells the statistics of constant channels. What samples show is
   * asked of layers alone, in front of their activation: a channel that was silent on some samples need not be on others.
   */
  #refine(value: string, facts: readonly Bounds[]): readonly Bounds[] {
    const known = this.#log.statistics.get(value)
    if (known?.mean.length !== facts.length) return facts
    const refined = known.source === 'calibrated' ? facts : this.#assumed(value, facts)
    if (refined.some(({ low, high }, c) => low === high && (known.mean[c] !== low || known.deviation[c] !== 0)))
      this.#log.statistics.set(value, withConstants(known, refined))
    return refined
  }

  #of(node: Node): Found {
    const found = this.#found.get(nodeName(node)) ?? { node, zero: none(), other: none(), weights: 0 }
    this.#found.set(nodeName(node), found)
    return found
  }
}

/** A constant as it is stored. */
const exactly = (value: number): Bounds => ({ low: Math.fround(value), high: Math.fround(value) })

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

/** Eight deviations around the mean, and what was observed. */
function likely({ mean, deviation, min, max }: ChannelStatistics, c: number): Bounds {
  const [m, d] = [mean[c] ?? 0, deviation[c] ?? 0]
  return {
    low: Math.min(m - DEVIATIONS * d, min?.[c] ?? Number.POSITIVE_INFINITY),
    high: Math.max(m + DEVIATIONS * d, max?.[c] ?? Number.NEGATIVE_INFINITY),
  }
}

function withConstants(known: ChannelStatistics, facts: readonly Bounds[]): ChannelStatistics {
  const constant = (c: number) => (facts[c]?.low === facts[c]?.high ? facts[c]?.low : undefined)
  const filled = (values: Float64Array) => values.map((value, c) => constant(c) ?? value)
  return {
    ...known,
    mean: filled(known.mean),
    deviation: known.deviation.map((value, c) => (constant(c) === undefined ? value : 0)),
    ...(known.min ? { min: filled(known.min) } : {}),
    ...(known.max ? { max: filled(known.max) } : {}),
  }
}
