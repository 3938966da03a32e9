// Proof that a cut fits together: the cut model must run, and compute what the whole one does when nothing reads those channels.
import { CancelledError, messageOf, type TensorValue } from '../../base/index.ts'
import { sqnrDb } from '../../math/index.ts'
import type { ChannelGraph, Model, Shapes } from '../../onnx/index.ts'
import { type Runtime, type ShapedSample, type Values, withSession } from '../../runtime/index.ts'
import {
  type ClosedLayer,
  emptiesValue,
  type PruningGroups,
  passesChannels,
  pruningGroups,
  valueSets,
} from './groups.ts'
import { removeChannels, silenceChannels } from './remove-channels.ts'

/** Float32 sums in another order differ by less. */
const LEAST_DB = 60

/** A model, and what is known of its channels. */
export interface ChannelledModel {
  readonly model: Model
  readonly shapes: Shapes
  readonly graph: ChannelGraph
}

/** Why a cut is not right, or undefined. Runs the cut model and one with silenced channels on one sample. */
export async function checkCut(
  runtime: Runtime,
  { model, shapes, graph }: ChannelledModel,
  removed: ReadonlySet<number>,
  feeds: Values,
): Promise<string | undefined> {
  try {
    const cut = removeChannels(model, shapes, removed, graph)
    const silenced = silenceChannels(model, graph, removed, passesChannels)
    const run = (one: Model) => withSession(runtime, one, { label: 'the cut model' }, (session) => session.run(feeds))
    return difference(await run(silenced), await run(cut))
  } catch (error) {
    if (error instanceof CancelledError) throw error
    return messageOf(error)
  }
}

function difference(expected: Values, got: Values): string | undefined {
  for (const [name, value] of Object.entries(expected)) {
    const other: TensorValue | undefined = got[name]
    if (!other || other.dims.join() !== value.dims.join())
      return `the output "${name}" has the shape [${other?.dims}] instead of [${value.dims}]`
    if (!(value.data instanceof Float32Array)) continue
    const db = sqnrDb(value.data, other.data as Float32Array)
    if (db !== null && !(db >= LEAST_DB)) return `the output "${name}" is another one (${db.toFixed(0)} dB)`
  }
  return undefined
}

/**
 * The groups of a model whose cut is proved right on one sample: every second channel of all groups at once and, where that
 * fails, group by group. A group that fails is closed and named.
 */
export async function provenGroups(
  runtime: Runtime,
  { model, shapes, feeds }: ShapedSample,
  keep: ReadonlySet<string>,
): Promise<PruningGroups> {
  const found = pruningGroups(model, shapes, keep)
  const { graph, groups } = found
  const sets = valueSets(model, graph)
  const check = (removed: ReadonlySet<number>) => checkCut(runtime, { model, shapes, graph }, removed, feeds)
  const all = new Set<number>()
  for (const { channels } of groups) addHalf(channels, all, sets)
  if (all.size === 0 || (await check(all)) === undefined) return found
  const proved = new Set<number>()
  const failed = new Map<number, string>()
  const closed: ClosedLayer[] = []
  for (const { channels, writers } of groups) {
    const trial = new Set(proved)
    addHalf(channels, trial, sets)
    if (trial.size === proved.size) continue
    const reason = await check(trial)
    if (reason === undefined) for (const id of trial) proved.add(id)
    else {
      for (const id of channels) failed.set(id, `a trial cut went wrong: ${reason}`)
      closed.push(...writers.map((name) => ({ name, reason: `a trial cut went wrong: ${reason}` })))
    }
  }
  return {
    ...found,
    groups: groups.filter(({ channels }) => !channels.some((id) => failed.has(id))),
    closed: [...found.closed, ...closed],
  }
}

/** Every second channel, as far as every value keeps one. */
function addHalf(channels: readonly number[], removed: Set<number>, sets: readonly ReadonlySet<number>[]): void {
  for (let i = 0; i < channels.length; i += 2) {
    const id = channels[i]
    if (id !== undefined && !emptiesValue(sets, id, removed)) removed.add(id)
  }
}
