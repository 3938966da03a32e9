// What a model costs with some channels gone: kept up to date channel by channel.
import { type ChannelGraph, layersOf, macsOf, type ShapedModel } from '../../onnx/index.ts'
import { type CostModel, type CostShape, wholeShape } from '../cost.ts'
import { surveyLayers } from '../layers.ts'
import { pointwise } from '../splits/split.ts'
import { passesChannels } from './groups.ts'

interface Entry {
  readonly shape: CostShape
  /** Inputs of a group when whole groups go. */
  readonly perGroup: number | undefined
  inputs: number
  outputs: number
}

interface Share {
  readonly entry: Entry
  inputs: number
  outputs: number
}

/** A layer that cannot be surveyed, as if it were a product of rows. */
const plainShape = (points: number) => ({
  ...{ groups: 1, positions: 1, points, layout: 'rows' as const },
  ...{ part: pointwise([points, 1]), input: [points, 1] as const },
})

/** A model whose channels may be taken out. */
export interface Prunable extends ShapedModel {
  readonly graph: ChannelGraph
}

/** The cost of all layers under a cost model while channels are taken out. */
export class CostBook {
  readonly #model: CostModel
  readonly #shares = new Map<number, Share[]>()
  readonly total: number
  #cost: number

  /** @param whole what shares are of; the cost of the model itself unless given */
  constructor({ model, shapes, graph }: Prunable, cost: CostModel, whole?: number) {
    this.#model = cost
    this.#cost = 0
    const known = new Map(graph.layers.map((channels) => [channels.layer.node, channels]))
    const surveyed = new Map(surveyLayers(model, shapes).layers.map((layer) => [layer.name, layer]))
    for (const layer of layersOf(model)) {
      const { view, weight, bias } = layer
      const macs = macsOf(layer, shapes) ?? 0
      const channels = known.get(layer.node)
      if (!view || !channels) {
        // A weight without a view: as many products as it has, however they lie.
        const outputs = weight.shape.at(-1) ?? 1
        const inputs = weight.size / outputs
        const points = macs / weight.size
        this.#cost += cost.cost({ ...plainShape(points), inputs, outputs, bias: bias !== undefined })
        continue
      }
      const { outputs, groups, inputsPerGroup, positions } = view
      const inputs = inputsPerGroup * groups
      const points = macs / (outputs * inputsPerGroup * positions)
      const own = surveyed.get(layer.name)
      const shape: CostShape = own
        ? wholeShape(own, bias !== undefined)
        : { ...plainShape(points), inputs, outputs, groups, positions, bias: bias !== undefined }
      const perGroup = passesChannels(channels) ? inputsPerGroup : undefined
      const entry: Entry = { shape, perGroup, inputs, outputs }
      this.#cost += cost.cost(shape)
      for (const id of channels.input) this.#shareOf(id, entry).inputs++
      for (const id of channels.output) this.#shareOf(id, entry).outputs++
    }
    this.total = whole ?? this.#cost
  }

  /** Cost of what is left. */
  get cost(): number {
    return this.#cost
  }

  /** What taking these out as well would save. */
  saving(ids: Iterable<number>): number {
    const left = new Map<Entry, { inputs: number; outputs: number }>()
    for (const id of ids)
      for (const { entry, inputs, outputs } of this.#shares.get(id) ?? []) {
        const count = left.get(entry) ?? { inputs: entry.inputs, outputs: entry.outputs }
        count.inputs -= inputs
        count.outputs -= outputs
        left.set(entry, count)
      }
    let saving = 0
    for (const [entry, count] of left) saving += this.#costOf(entry) - this.#costOf({ ...entry, ...count })
    return saving
  }

  remove(ids: Iterable<number>): void {
    this.#change(ids, -1)
  }

  /** Puts back what was removed. */
  restore(ids: Iterable<number>): void {
    this.#change(ids, 1)
  }

  #change(ids: Iterable<number>, sign: 1 | -1): void {
    for (const id of ids)
      for (const { entry, inputs, outputs } of this.#shares.get(id) ?? []) {
        const before = this.#costOf(entry)
        entry.inputs += sign * inputs
        entry.outputs += sign * outputs
        this.#cost += this.#costOf(entry) - before
      }
  }

  #costOf({ shape, perGroup, inputs, outputs }: Entry): number {
    if (inputs <= 0 || outputs <= 0) return 0
    const groups = perGroup === undefined ? shape.groups : inputs / perGroup
    return this.#model.cost({ ...shape, inputs, outputs, groups })
  }

  #shareOf(id: number, entry: Entry): Share {
    const list = this.#shares.get(id) ?? []
    this.#shares.set(id, list)
    let share = list.find((one) => one.entry === entry)
    if (!share) {
      share = { entry, inputs: 0, outputs: 0 }
      list.push(share)
    }
    return share
  }
}
