// Channels that never change carry nothing: they are taken out for free, before anything is chosen.
import type { Watch } from '../../base/index.ts'
import { layersOf, type Model, type Shapes, type Statistics } from '../../onnx/index.ts'
import { applyRewrites, foldDeadChannels, foldProvedChannels } from '../../rewrite/index.ts'
import { observeShapes, type Runtime, type SampledModel, type Values } from '../../runtime/index.ts'
import { lowestSqnrDb } from '../sqnr.ts'
import { checkCut } from './check-cut.ts'
import { unreadChannels } from './consumers.ts'
import { emptiesValue, pruningGroups, valueSets, wholeSteps } from './groups.ts'
import { removeChannels } from './remove-channels.ts'

export interface DeadChannels {
  readonly model: Model
  readonly shapes: Shapes
  /** How many channels went, of all values that a layer makes. */
  readonly channels: number
  /** Against the model before on the samples, in dB; null for an exact match. */
  readonly sqnrDb: number | null
  /** proved: they are constant on every input. assumed: within eight deviations of what was seen. */
  readonly certainty: 'proved' | 'assumed'
}

export interface DeadOptions extends Watch {
  /** What is known of the channels (BatchNormalization's statistics after folding); without it only what is proved goes. */
  readonly statistics?: Statistics
  readonly keepLayers?: ReadonlySet<string>
  /** What a layer keeps is a multiple of this: 13 channels can be slower than 16. */
  readonly multiple?: number
}

/** A model without its dead channels must give what it gave before, on every sample that is looked at. */
const LEAST_DB = 60
const BATCHES = 4

/**
 * Takes out the channels that are constant (a constant other than 0 goes into the readers' biases) and those that nothing
 * reads. What is only assumed to be constant goes when no output moves by more than −60 dB on the samples; otherwise only
 * what is proved.
 * @returns undefined when there are none
 */
export async function removeDeadChannels(
  runtime: Runtime,
  { model, feeds: sample }: SampledModel,
  samples: readonly Values[],
  { statistics = new Map(), keepLayers = new Set(), multiple = 1, ...watch }: DeadOptions = {},
): Promise<DeadChannels | undefined> {
  const attempts = [
    ...(statistics.size > 0 ? [{ pass: foldDeadChannels, certainty: 'assumed' } as const] : []),
    { pass: foldProvedChannels, certainty: 'proved' } as const,
  ]
  for (const { pass, certainty } of attempts) {
    const folded = await applyRewrites(runtime, { model, feeds: sample }, [pass], { ...watch, statistics })
    const { graph, groups } = pruningGroups(folded.model, folded.shapes, keepLayers)
    const open = new Set(groups.flatMap(({ channels }) => channels))
    const removed = new Set<number>()
    const sets = valueSets(folded.model, graph)
    for (const id of wholeSteps(groups, unreadChannels(graph.layers, open), multiple))
      if (!emptiesValue(sets, id, removed)) removed.add(id)
    if (removed.size === 0 || !weightsStay(model, folded.model, keepLayers)) continue
    if (await checkCut(runtime, { ...folded, graph }, removed, sample)) continue
    const cut = removeChannels(folded.model, folded.shapes, removed, graph)
    const db = await lowestSqnrDb(runtime, model, cut, samples.slice(0, BATCHES))
    if (db !== null && !(db >= LEAST_DB)) continue
    const channels = graph.layers.reduce(
      (sum, { output }) => sum + output.reduce((count, id) => count + (removed.has(id) ? 1 : 0), 0),
      0,
    )
    return { model: cut, shapes: await observeShapes(runtime, cut, sample), channels, sqnrDb: db, certainty }
  }
  return undefined
}

/** Folding must not have touched the layers that stay exactly as they are. */
function weightsStay(before: Model, after: Model, names: ReadonlySet<string>): boolean {
  const known = new Map(layersOf(after).map((layer) => [layer.name, layer]))
  return layersOf(before).every((layer) => {
    const other = known.get(layer.name)
    if (!names.has(layer.name)) return true
    return [layer.weight, layer.bias].every((tensor, i) => {
      const same = i === 0 ? other?.weight : other?.bias
      return (
        tensor?.size === same?.size && tensor?.floats().every((value, at) => value === same?.floats()[at]) !== false
      )
    })
  })
}
