// How long each layer that changed takes now, and took before.
import { report, type Watch } from '../../base/index.ts'
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

/** Milliseconds for all of it, the dearest layers first: layers that are left then have no times. */
const BUDGET = 1500
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
    const { geometry } = layer
    const before = wholeShape(layer)
    const left = { outputs: channels?.after ?? before.outputs, inputs: inputs?.after ?? before.inputs }
    // Of a depthwise layer the groups go with the channels.
    const groups = geometry.groups > 1 && geometry.inputsPerGroup === 1 ? left.inputs : before.groups
    const after = choice ? splitShapes(splitNamed(choice.split), layer, choice.rank) : [{ ...before, ...left, groups }]
    pairs.push({ name, before, after })
  }
  const macs = ({ inputs, outputs, groups, positions, points }: CostShape) =>
    (inputs / groups) * outputs * positions * points
  const dearest = pairs.toSorted((a, b) => macs(b.before) - macs(a.before))
  const times = new Map<string, number>()
  const latencies = new Map<string, LayerLatency>()
  const until = performance.now() + BUDGET
  for (const [index, { name, before, after }] of dearest.entries()) {
    if (performance.now() > until) break
    report(watch, { step: 'time-layers', done: index, total: dearest.length, message: name })
    const { cost } = measuredTime(
      await timeLayers(
        runtime,
        [before, ...after],
        { signal: watch.signal },
        {
          known: (key) => times.get(key),
          keep: (key, time) => times.set(key, time),
          timing: TIMING,
        },
      ),
    )
    latencies.set(name, { before: cost(before), after: after.reduce((sum, shape) => sum + cost(shape), 0) })
  }
  report(watch, { step: 'time-layers', done: dearest.length, total: dearest.length })
  return latencies
}
