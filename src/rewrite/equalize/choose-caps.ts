// Which caps to free: those whose channels gain most for the time that an integer Min takes.
import { type ChannelGraph, type Layer, nodeName } from '../../onnx/index.ts'
import { isCapped } from './variables.ts'

/** Modelled noise of a layer with every cap held and with every cap free. */
export interface CapNoise {
  readonly name: string
  readonly held: number
  readonly free: number
}

/** Share of what freeing every cap would gain that the chosen ones must bring. */
const ENOUGH = 0.9

/**
 * Outputs of the Clips to free. A cap's gain is what the noise model says of the layers that write and read its channels; caps
 * are taken by gain over time until nine tenths of the whole gain are there. None when freeing all gains next to nothing.
 * @param timeOf milliseconds of an integer Min on the Clip's output
 */
export async function chooseCaps(
  graph: ChannelGraph,
  noise: readonly CapNoise[],
  timeOf: (value: string) => Promise<number>,
): Promise<ReadonlySet<string>> {
  const gains = new Map(noise.map(({ name, held, free }) => [name, Math.max(0, held - free)]))
  const total = [...gains.values()].reduce((a, b) => a + b, 0)
  const all = noise.reduce((sum, { held }) => sum + held, 0)
  if (!(total > 0.02 * all)) return new Set()
  const candidates: { readonly value: string; readonly layers: ReadonlySet<string>; readonly worth: number }[] = []
  for (const clip of graph.clips) {
    if (!isCapped(clip)) continue
    const ids = new Set(clip.ids)
    const touches = (list: Int32Array) => list.some((id) => ids.has(id))
    const near = graph.layers.filter(({ input, output }) => touches(input) || touches(output))
    const value = clip.node.outputs[0] ?? ''
    const layers = new Set(near.map(({ layer }) => nameOf(layer)))
    const gain = [...layers].reduce((sum, name) => sum + (gains.get(name) ?? 0), 0)
    candidates.push({ value, layers, worth: gain / Math.max(1e-6, await timeOf(value)) })
  }
  const chosen = new Set<string>()
  const covered = new Set<string>()
  let reached = 0
  for (const { value, layers } of candidates.sort((a, b) => b.worth - a.worth)) {
    if (reached >= ENOUGH * total) break
    chosen.add(value)
    for (const name of layers) {
      if (covered.has(name)) continue
      covered.add(name)
      reached += gains.get(name) ?? 0
    }
  }
  return chosen
}

const nameOf = (layer: Layer) => nodeName(layer.node)
