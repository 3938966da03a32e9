// In which order channels go: by what their readers lose with each, from least to most.
import { type Moments, patchSize } from '../../calibrate/index.ts'
import { type Matrix, matrix, type Products } from '../../math/index.ts'
import type { LayerChannels, Model } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import { inputMoments, type SamplingOptions } from '../gather.ts'
import { kernelsOf } from '../kernel.ts'
import type { CompressibleLayer } from '../layers.ts'
import { covarianceBytes, inParts } from '../parts.ts'
import { ownTarget, ridgeShare } from '../target.ts'
import { Elimination } from './elimination.ts'
import { type PruningGroup, type PruningGroups, passesChannels } from './groups.ts'
import { lassoEntries } from './lasso.ts'
import { columnsOf, inputEnergies } from './readers.ts'

/**
 * How channels are ordered. backward: always the one whose loss the refitted reader feels least. lasso: the one that an
 * ℓ1 penalty silences first. energy: by variance of what the reader gets from it. magnitude: by squared weights, no data.
 */
export type PruningOrder = 'backward' | 'lasso' | 'energy' | 'magnitude'
export const pruningOrders: readonly PruningOrder[] = ['backward', 'lasso', 'energy', 'magnitude']

/** A group with its channels in the order in which they go, and what each costs when its turn comes. */
export interface RankedGroup {
  readonly group: PruningGroup
  /** Losses are shares of the readers' output variance, summed over the readers; they never fall. */
  readonly order: readonly { readonly id: number; readonly loss: number }[]
}

export interface RankOptions extends SamplingOptions {
  readonly order: PruningOrder
  /** What taking out one channel of a group saves: cheap channels must be worth it. */
  readonly saving: (group: PruningGroup) => number
}

/** Longer patches are ordered by energy: the inverse of their covariance takes too long. */
const LONGEST = 1536

/** Ranks the channels of all groups. `layers` are those that can be fitted; other readers count by their weights. */
export async function rankChannels(
  runtime: Runtime,
  products: Products,
  model: Model,
  layers: readonly CompressibleLayer[],
  { graph, groups }: PruningGroups,
  samples: readonly Values[],
  options: RankOptions,
): Promise<{ readonly ranked: RankedGroup[]; readonly notes: string[] }> {
  const byName = new Map(layers.map((layer) => [layer.name, layer]))
  const readers = graph.layers.filter((channels) => !passesChannels(channels))
  const notes: string[] = []
  const ranked = new Map<PruningGroup, RankedGroup['order']>()
  const withData = options.order !== 'magnitude' && samples.length > 0
  const parts = withData ? partsOf(groups, byName) : [groups.map((group) => [group])]
  for (const part of parts) {
    const open = new Set(part.flat().flatMap(({ channels }) => channels))
    const reading = readers.filter(({ input }) => input.some((id) => open.has(id)))
    const energies = new Map<number, number>()
    const eliminations: Elimination[] = []
    const gram: Gram[] = []
    const addEnergies = (channels: LayerChannels, moments?: readonly Moments[]) => {
      for (const [id, energy] of inputEnergies(channels, byName.get(channels.layer.name), moments))
        if (open.has(id)) energies.set(id, (energies.get(id) ?? 0) + energy)
    }
    const channelsOf = new Map(reading.map((channels) => [channels.layer.name, channels]))
    const watched = withData ? [...channelsOf.keys()].flatMap((name) => byName.get(name) ?? []) : []
    for (const channels of reading) if (!watched.some(({ name }) => name === channels.layer.name)) addEnergies(channels)
    const use = async (layer: CompressibleLayer, moments: readonly Moments[] | undefined) => {
      const channels = channelsOf.get(layer.name)
      if (!channels) return
      const tooLong = patchSize(layer.geometry) > LONGEST
      if (!moments || options.order === 'energy' || tooLong) {
        if (tooLong && options.order !== 'energy')
          notes.push(`${layer.name} has long patches: its channels are ordered by their energy`)
        return addEnergies(channels, moments)
      }
      for (const [group, weight] of kernelsOf(layer).entries()) {
        const own = moments[group]
        if (!own) continue
        const target = await ownTarget(products, weight, own, ridgeShare(own.count, weight.columns))
        const columns = columnsOf(channels, group, (id) => open.has(id))
        const energy = target.energy * moments.length
        if (options.order === 'lasso') gram.push(await gramOf(products, weight, target.covariance, columns, energy))
        eliminations.push(new Elimination(weight, target.covariance, columns, energy))
      }
    }
    await inputMoments(runtime, products, model, watched, samples, options, use)
    const forced = gram.length > 0 ? lassoOrder(gram, [...open]) : undefined
    for (const component of part)
      for (const [group, order] of eliminate(component, eliminations, energies, options.saving, forced))
        ranked.set(group, order)
  }
  return { ranked: groups.map((group) => ({ group, order: ranked.get(group) ?? [] })), notes }
}

/** Takes channels out one by one until each group has one left. */
function eliminate(
  groups: readonly PruningGroup[],
  eliminations: readonly Elimination[],
  energies: ReadonlyMap<number, number>,
  saving: (group: PruningGroup) => number,
  forced: ReadonlyMap<number, number> | undefined,
): Map<PruningGroup, { id: number; loss: number }[]> {
  const groupOf = new Map(groups.flatMap((group) => group.channels.map((id) => [id, group] as const)))
  const readersOf = new Map<number, Elimination[]>()
  for (const id of groupOf.keys())
    readersOf.set(
      id,
      eliminations.filter((one) => one.has(id)),
    )
  const worth = new Map(groups.map((group) => [group, 1 / Math.max(1, saving(group))]))
  // What several readers miss is the same signal: their errors add up in step, not as noise does.
  const lossOf = (id: number) =>
    (readersOf.get(id) ?? []).reduce((sum, one) => sum + Math.sqrt(one.cost(id)), Math.sqrt(energies.get(id) ?? 0)) ** 2
  if (groups.length === 1 && forced === undefined && [...readersOf.values()].every((list) => list.length === 0))
    return new Map(groups.map((group) => [group, sortedByLoss(group, lossOf)]))
  const losses = new Map([...groupOf.keys()].map((id) => [id, lossOf(id)]))
  const left = new Map(groups.map((group) => [group, group.channels.length]))
  const orders = new Map(groups.map((group) => [group, [] as { id: number; loss: number }[]]))
  for (;;) {
    let best: { id: number; score: number } | undefined
    for (const [id, loss] of losses) {
      const group = groupOf.get(id)
      if (!group || (left.get(group) ?? 0) <= 1) continue
      const score = forced ? (forced.get(id) ?? 0) : loss * (worth.get(group) ?? 1)
      if (!best || score < best.score) best = { id, score }
    }
    const group = best && groupOf.get(best.id)
    if (!best || !group) return orders
    const order = orders.get(group)
    // Rounding can make a later one cheaper than an earlier one; what is paid so far is what counts.
    order?.push({ id: best.id, loss: Math.max(losses.get(best.id) ?? 0, order.at(-1)?.loss ?? 0) })
    left.set(group, (left.get(group) ?? 0) - 1)
    losses.delete(best.id)
    const touched = readersOf.get(best.id) ?? []
    for (const one of touched) one.remove(best.id)
    for (const id of losses.keys())
      if (readersOf.get(id)?.some((one) => touched.includes(one))) losses.set(id, lossOf(id))
  }
}

/** Without anything to fit anew, a loss does not depend on what went before. */
function sortedByLoss({ channels }: PruningGroup, lossOf: (id: number) => number): { id: number; loss: number }[] {
  const order = channels.map((id) => ({ id, loss: lossOf(id) })).sort((a, b) => a.loss - b.loss)
  return order.slice(0, -1)
}

/** Inner products of what the channels of one reader contribute to its output, as shares of the output's variance. */
interface Gram {
  readonly ids: readonly number[]
  readonly data: Matrix
  /** Of each with the whole output. */
  readonly target: Float64Array
}

/** G_ij = Σ over the columns of i and j of C_ab·(WᵀW)_ab */
async function gramOf(
  products: Products,
  weight: Matrix,
  covariance: Matrix,
  columns: ReadonlyMap<number, readonly number[]>,
  energy: number,
): Promise<Gram> {
  const own = (await products.gram(weight)).data
  const ids = [...columns.keys()]
  const place = new Map(ids.flatMap((id, i) => (columns.get(id) ?? []).map((column) => [column, i] as const)))
  const data = matrix(ids.length, ids.length)
  const target = new Float64Array(ids.length)
  const d = covariance.rows
  const share = energy > 0 ? 1 / energy : 0
  for (const [a, i] of place)
    for (let b = 0; b < d; b++) {
      const value = share * covariance.data[a * d + b]! * own[a * d + b]!
      target[i]! += value
      const j = place.get(b)
      if (j !== undefined) data.data[i * ids.length + j]! += value
    }
  return { ids, data, target }
}

/** Number → the penalty at which it comes in; small ones go first. */
function lassoOrder(grams: readonly Gram[], ids: readonly number[]): Map<number, number> {
  const place = new Map(ids.map((id, i) => [id, i]))
  const sum = matrix(ids.length, ids.length)
  const target = new Float64Array(ids.length)
  for (const gram of grams)
    for (const [i, id] of gram.ids.entries()) {
      const row = place.get(id) ?? 0
      target[row]! += gram.target[i]!
      for (const [j, other] of gram.ids.entries())
        sum.data[row * ids.length + (place.get(other) ?? 0)]! += gram.data.data[i * gram.ids.length + j]!
    }
  const entries = lassoEntries(sum, target)
  return new Map(ids.map((id, i) => [id, entries[i]!]))
}

/** Groups that share readers make a component; components in parts of a size that memory allows. */
function partsOf(groups: readonly PruningGroup[], layers: ReadonlyMap<string, CompressibleLayer>): PruningGroup[][][] {
  const components: { groups: PruningGroup[]; readers: Set<string> }[] = []
  for (const group of groups) {
    const touching = components.filter(({ readers }) => group.readers.some((name) => readers.has(name)))
    const merged = {
      groups: [...touching.flatMap((one) => one.groups), group],
      readers: new Set([...touching.flatMap((one) => [...one.readers]), ...group.readers]),
    }
    for (const one of touching) components.splice(components.indexOf(one), 1)
    components.push(merged)
  }
  const bytesOf = ({ readers }: (typeof components)[number]) =>
    [...readers].reduce((sum, name) => {
      const geometry = layers.get(name)?.geometry
      return sum + (geometry ? covarianceBytes(patchSize(geometry), geometry.groups, LONGEST) : 0)
    }, 0)
  return inParts(components, bytesOf).map((part) => part.map(({ groups: together }) => together))
}
