// In which order channels go: by what their consumers lose with each, from least to most.
import { type Moments, patchSize } from '../../calibrate/index.ts'
import type { Products } from '../../math/index.ts'
import type { LayerChannels, Model } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import { inputMoments, type SamplingOptions } from '../gather.ts'
import type { CompressibleLayer } from '../layers.ts'
import { covarianceBytes, inParts } from '../parts.ts'
import { columnsOf, inputEnergies } from './consumers.ts'
import { eliminate } from './eliminate.ts'
import { Elimination, inverseOf } from './elimination.ts'
import { type PruningGroup, type PruningGroups, passesChannels } from './groups.ts'
import { type Gram, gramOf, lassoOrder } from './lasso.ts'
import { LONGEST, type Reading, readingOf } from './readings.ts'
import { keepForTrials, TrialCuts } from './trial-cuts.ts'

/**
 * How channels are ordered. backward: always the one whose loss the refitted consumer feels least. lasso: the one that an
 * ℓ1 penalty silences first. energy: by variance of what the consumer gets from it. magnitude: by squared weights, no data.
 */
export type PruningOrder = 'backward' | 'lasso' | 'energy' | 'magnitude'
export const pruningOrders: readonly PruningOrder[] = ['backward', 'lasso', 'energy', 'magnitude']

/** A group with its channels in the order in which they go, and what each costs when its turn comes. */
export interface RankedGroup {
  readonly group: PruningGroup
  /**
   * Without data losses are shares of what the consumers get, summed over them. With data they are what the outputs of the
   * network lose, noise to signal, as trial cuts tell. They never fall.
   */
  readonly order: readonly { readonly id: number; readonly loss: number }[]
}

export interface RankOptions extends SamplingOptions {
  readonly products: Products
  /** Those that can be fitted; other consumers count by their weights. */
  readonly layers: readonly CompressibleLayer[]
  readonly samples: readonly Values[]
  readonly order: PruningOrder
  /** What taking out one channel of a group saves: cheap channels must be worth it. */
  readonly saving: (group: PruningGroup) => number
}

/** Ranks the channels of all groups. */
export async function rankChannels(
  runtime: Runtime,
  model: Model,
  { graph, groups }: PruningGroups,
  options: RankOptions,
): Promise<{ readonly ranked: RankedGroup[]; readonly notes: string[] }> {
  const { products, layers, samples, order: how, saving } = options
  const byName = new Map(layers.map((layer) => [layer.name, layer]))
  const consumers = graph.layers.filter((channels) => !passesChannels(channels))
  const notes: string[] = []
  const ranked = new Map<PruningGroup, RankedGroup['order']>()
  const withData = how !== 'magnitude' && samples.length > 0
  const batches = keepForTrials(samples)
  const trials = new TrialCuts(runtime, { model, graph }, batches.trials, options)
  const parts = withData ? partsOf(groups, byName) : [groups.map((group) => [group])]
  for (const part of parts) {
    const open = new Set(part.flat().flatMap(({ channels }) => channels))
    const reading = consumers.filter(({ input }) => input.some((id) => open.has(id)))
    const energies = new Map<number, number>()
    const readings: Reading[] = []
    const addEnergies = (channels: LayerChannels, moments?: readonly Moments[]) => {
      for (const [id, energy] of inputEnergies(channels, byName.get(channels.layer.name), moments))
        if (open.has(id)) energies.set(id, (energies.get(id) ?? 0) + energy)
    }
    const channelsOf = new Map(reading.map((channels) => [channels.layer.name, channels]))
    const watched = withData ? [...channelsOf.keys()].flatMap((name) => byName.get(name) ?? []) : []
    for (const channels of reading) if (!watched.some(({ name }) => name === channels.layer.name)) addEnergies(channels)
    const watching = { ...options, layers: watched, batches: batches.moments }
    await inputMoments(runtime, model, watching, async (layer, moments) => {
      const channels = channelsOf.get(layer.name)
      if (!channels) return
      const found = how === 'energy' ? undefined : await readingOf(products, layer, channels, moments)
      if (found) readings.push(found)
      else addEnergies(channels, moments)
      if (!found && how !== 'energy')
        notes.push(`${layer.name} has long patches: its channels are ordered by their energy`)
    })
    const eliminations: Elimination[] = []
    for (const one of readings) eliminations.push(...(await eliminationsOf(products, one, open)))
    const sensitivities = new Map<PruningGroup, number>()
    if (withData)
      for (const group of part.flat()) {
        const costOf = (id: number) =>
          eliminations.reduce((sum, one) => sum + (one.has(id) ? one.cost(id) : 0), energies.get(id) ?? 0)
        sensitivities.set(group, await trials.sensitivity(group, readings, costOf, energies))
      }
    const forced = how === 'lasso' && readings.length > 0 ? await lassoTurns(products, readings, open) : undefined
    for (const component of part)
      for (const [group, order] of eliminate(component, eliminations, { energies, saving, forced, sensitivities }))
        ranked.set(group, order)
  }
  return { ranked: groups.map((group) => ({ group, order: ranked.get(group) ?? [] })), notes }
}

async function eliminationsOf(
  products: Products,
  { channels, targets, energy }: Reading,
  open: ReadonlySet<number>,
): Promise<Elimination[]> {
  const eliminations: Elimination[] = []
  for (const [group, { weight, covariance }] of targets.entries()) {
    const columns = columnsOf(channels, group, (id) => open.has(id))
    eliminations.push(new Elimination(weight, await inverseOf(products, covariance), columns, energy))
  }
  return eliminations
}

async function lassoTurns(
  products: Products,
  readings: readonly Reading[],
  open: ReadonlySet<number>,
): Promise<Map<number, number>> {
  const grams: Gram[] = []
  for (const { channels, targets, energy } of readings)
    for (const [group, target] of targets.entries())
      grams.push(
        await gramOf(
          products,
          target,
          columnsOf(channels, group, (id) => open.has(id)),
          energy,
        ),
      )
  return lassoOrder(grams, [...open])
}

/** Groups that share consumers make a component; components in parts of a size that memory allows. */
function partsOf(groups: readonly PruningGroup[], layers: ReadonlyMap<string, CompressibleLayer>): PruningGroup[][][] {
  const components: { groups: PruningGroup[]; consumers: Set<string> }[] = []
  for (const group of groups) {
    const touching = components.filter(({ consumers }) => group.consumers.some((name) => consumers.has(name)))
    const merged = {
      groups: [...touching.flatMap((one) => one.groups), group],
      consumers: new Set([...touching.flatMap((one) => [...one.consumers]), ...group.consumers]),
    }
    for (const one of touching) components.splice(components.indexOf(one), 1)
    components.push(merged)
  }
  const bytesOf = ({ consumers }: (typeof components)[number]) =>
    [...consumers].reduce((sum, name) => {
      const geometry = layers.get(name)?.geometry
      return sum + (geometry ? covarianceBytes(patchSize(geometry), geometry.groups, LONGEST) : 0)
    }, 0)
  return inParts(components, bytesOf).map((part) => part.map(({ groups: together }) => together))
}
