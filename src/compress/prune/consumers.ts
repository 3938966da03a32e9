// The weights that read channels, by the numbers of the channel graph.
import type { Moments } from '../../calibrate/index.ts'
import type { LayerChannels } from '../../onnx/index.ts'
import { kernelsOf } from '../kernel.ts'
import type { CompressibleLayer } from '../layers.ts'
import { passesChannels } from './groups.ts'

/** Number → its columns in one group of a layer's weight [outputs, inputs × positions]. */
export function columnsOf(
  { layer, input }: LayerChannels,
  group: number,
  wanted: (id: number) => boolean,
): Map<number, number[]> {
  const columns = new Map<number, number[]>()
  const { inputsPerGroup = 0, positions = 0 } = layer.view ?? {}
  for (let i = 0; i < inputsPerGroup; i++) {
    const id = input[group * inputsPerGroup + i] ?? -1
    if (!wanted(id)) continue
    const list = columns.get(id) ?? []
    for (let u = 0; u < positions; u++) list.push(i * positions + u)
    columns.set(id, list)
  }
  return columns
}

/**
 * Energy of each number that a layer reads, as a share of all: Σ over outputs and positions of W²·variance of what stands
 * there; without moments Σ W² ("magnitude").
 */
export function inputEnergies(
  channels: LayerChannels,
  target: CompressibleLayer | undefined,
  moments?: readonly Moments[],
): Map<number, number> {
  const energies = new Map<number, number>()
  let total = 0
  const add = (id: number, energy: number) => {
    energies.set(id, (energies.get(id) ?? 0) + energy)
    total += energy
  }
  const { view, weight } = channels.layer
  if (!view) return energies
  if (target && moments)
    for (const [group, kernel] of kernelsOf(target).entries()) {
      const covariance = moments[group]?.covariance
      for (const [id, columns] of columnsOf(channels, group, () => true))
        for (const column of columns) {
          const variance = covariance ? covariance.data[column * (covariance.rows + 1)]! : 1
          let energy = 0
          for (let o = 0; o < kernel.rows; o++) energy += kernel.data[o * kernel.columns + column]! ** 2
          add(id, energy * variance)
        }
    }
  else {
    const values = weight.floats()
    const { positions, positionStride } = view
    forEachPair(channels, (id, first) => {
      let sum = energies.get(id) ?? 0
      for (let u = 0; u < positions; u++) {
        const energy = values[first + u * positionStride]! ** 2
        sum += energy
        total += energy
      }
      energies.set(id, sum)
    })
  }
  for (const [id, energy] of energies) energies.set(id, total > 0 ? energy / total : 0)
  return energies
}

/** Calls back for every output and number that it reads, with the place of the first of the weights between them. */
export function forEachPair(
  { layer, input }: LayerChannels,
  use: (id: number, first: number, output: number) => void,
): void {
  const { view } = layer
  if (!view) return
  const perGroup = view.outputs / view.groups
  for (let o = 0; o < view.outputs; o++) {
    const first = Math.floor(o / perGroup) * view.inputsPerGroup
    const offset = view.offset(o)
    for (let i = 0; i < view.inputsPerGroup; i++) use(input[first + i]!, offset + i * view.inputStride, o)
  }
}

/**
 * Numbers that no weight reads (any more): nothing that is left changes when they go.
 * @param open numbers that may go
 * @param removed what is taken out already; its outputs read nothing
 */
export function unreadChannels(
  layers: readonly LayerChannels[],
  open: ReadonlySet<number>,
  removed: ReadonlySet<number> = new Set(),
): Set<number> {
  const gone = new Set(removed)
  for (;;) {
    const unread = new Set([...open].filter((id) => !gone.has(id)))
    for (const channels of layers) {
      if (passesChannels(channels)) continue
      const values = channels.layer.weight.floats()
      const { positions = 0, positionStride = 0 } = channels.layer.view ?? {}
      forEachPair(channels, (id, first, o) => {
        if (!unread.has(id) || gone.has(channels.output[o]!)) return
        for (let u = 0; u < positions; u++)
          if (values[first + u * positionStride] !== 0) {
            unread.delete(id)
            return
          }
      })
    }
    if (unread.size === 0) break
    for (const id of unread) gone.add(id)
  }
  for (const id of removed) gone.delete(id)
  return gone
}
