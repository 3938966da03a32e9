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
  for (const { name, choice, channels, inputs } of fitted) {
    const layer = layers.find((known) => known.name === name)
    if (!layer || !(choice || channels || inputs)) continue
    const { geometry, sizes } = layer
    const before = wholeShape(geometry, sizes)
    const left = { outputs: channels?.after ?? before.outputs, inputs: inputs?.after ?? before.inputs }
    // Of a depthwise layer the groups go with the channels.
    const groups = geometry.groups > 1 && geometry.inputsPerGroup === 1 ? left.inputs : before.groups
    const after = choice
      ? splitShapes(splitNamed(choice.split), geometry, sizes, choice.rank)
      : [{ ...before, ...left, groups }]
    pairs.push({ name, before, after })
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
