// How long each layer that changed takes now, and took before.
import type { Watch } from '../../base/index.ts'
import {
  type CompressibleLayer,
  type CostShape,
  type FittedLayer,
  measuredTime,
  splitNamed,
  splitShapes,
  timeLayers,
  wholeShape,
} from '../../compress/index.ts'
import type { Runtime } from '../../runtime/index.ts'

/** Milliseconds for one sample. */
export interface LayerLatency {
  readonly before: number
  readonly after: number
}

/** Shapes that are timed, at most: more layers than these are left without times. */
const MOST = 60
/** Enough for a table; a search takes more. */
const TIMING = { warmups: 1, rounds: 15, limitMs: 40 }

/** Layer name → its time before and after, each timed alone; the layers that take most first. */
export async function layerLatencies(
  runtime: Runtime,
  layers: readonly CompressibleLayer[],
  fitted: readonly FittedLayer[],
  watch: Watch,
): Promise<Map<string, LayerLatency>> {
  const pairs: { readonly name: string; readonly before: CostShape; readonly after: readonly CostShape[] }[] = []
  for (const { name, choice } of fitted) {
    const layer = layers.find((known) => known.name === name)
    if (!layer || !choice) continue
    const { geometry, sizes } = layer
    const after = splitShapes(splitNamed(choice.split), geometry, sizes, choice.rank)
    pairs.push({ name, before: wholeShape(geometry, sizes), after })
  }
  const macs = ({ inputs, outputs, groups, positions, points }: CostShape) =>
    (inputs / groups) * outputs * positions * points
  const dearest = pairs.toSorted((a, b) => macs(b.before) - macs(a.before)).slice(0, MOST / 3)
  const shapes = dearest.flatMap(({ before, after }) => [before, ...after])
  const { cost } = measuredTime(await timeLayers(runtime, shapes, watch, { timing: TIMING }))
  return new Map(
    dearest.map(({ name, before, after }) => [
      name,
      { before: cost(before), after: after.reduce((sum, shape) => sum + cost(shape), 0) },
    ]),
  )
}
