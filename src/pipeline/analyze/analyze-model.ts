// Sensitivity of a model: every grid and every weight is switched to integers alone, in one session, on samples that no range saw.
import { report, throwIfCancelled, type Watch } from '../../base/index.ts'
import { type ChannelRequest, channelStatistics } from '../../calibrate/index.ts'
import type { Comparison } from '../../metrics/index.ts'
import { type Model, nodeName, type Statistics } from '../../onnx/index.ts'
import { insertQdq, layersIn, type Plan, type Switch, type Switchable, switchable } from '../../quantize/index.ts'
import type { AnalyzeRecipe } from '../../recipe/index.ts'
import { applyRewrites, channelRequests } from '../../rewrite/index.ts'
import { measureLatency, type Runtime, withSession } from '../../runtime/index.ts'
import { planFor } from '../quantize/build.ts'
import type { SplitBatch } from '../quantize/calibration-samples.ts'
import { macShares, type PlannedModel, probeSize } from '../quantize/float-choices.ts'
import { Judge, noiseIn } from '../quantize/judge.ts'
import type { Material } from '../quantize/mode.ts'
import { optionsFor, passesFor } from '../quantize/options-for.ts'
import { batchSizeFor, withGuessedShapes } from '../samples.ts'
import { asQuantizeRecipe } from './as-quantize.ts'
import { blames } from './blame.ts'
import { diagnose } from './causes.ts'
import { type Owner, ownersOf } from './owners.ts'
import type { AnalyzedLayer, AnalyzeRun, LayerNoise } from './run.ts'

/** Layers that are measured together, and alone in float. */
const LOUDEST = 8
/** Samples that a first look at all layers takes; the loudest of it are looked at on all that are kept for it. */
const FIRST_LOOK = 2
/** How far the sum of weights and activations may lie from what both give together, as a ratio, before all are measured. */
const AGREES = 1.25

/** A row on its way. */
interface Row {
  readonly owner: Owner
  readonly weights: readonly Switch[]
  readonly activations: readonly Switch[]
}

interface Measured extends Row {
  readonly noise: LayerNoise
  readonly measured: boolean
  readonly spared?: number
  readonly comparison?: Comparison
}

/**
 * Measures what each layer alone does in integers.
 * @throws InputError, UnsupportedError, UsageError, CancelledError
 */
export async function analyzeModel(
  runtime: Runtime,
  recipe: AnalyzeRecipe,
  { original, samples }: Pick<Material, 'original' | 'samples'>,
  watch: Watch,
): Promise<AnalyzeRun> {
  const started = performance.now()
  const notes: string[] = []
  const quantizing = asQuantizeRecipe(recipe)
  const first = await samples.first()
  const { model, shapes } = await withGuessedShapes(quantizing, original, first, () =>
    applyRewrites(runtime, { model: original, feeds: first }, passesFor(quantizing), { ...watch, label: recipe.model }),
  )
  samples.batchSize = batchSizeFor(model, shapes)
  await samples.split()
  const options = optionsFor(model, quantizing, notes)
  const source = { samples, withValidation: false }
  const { plan } = await planFor(runtime, { model, shapes }, { source, options }, watch)
  const probe = await samples.few(probeSize(shapes))
  const channels = await channelsOf(runtime, { model, shapes, plan }, probe, watch)
  const form = switchable(model, plan)
  const ownerOf = ownersOf(model)
  const rows = rowsOf(model, form, ownerOf)
  const judge = await Judge.on(runtime, model, probe)
  const quick = await Judge.on(runtime, model, await samples.few(Math.min(FIRST_LOOK, probeSize(shapes))))
  const { measured, all } = await measureRows(runtime, form, rows, { judge, quick, ...watch })
  // Times of this runtime say nothing of one that is not here.
  const here = plan.placement.target.runtime !== undefined
  const latencyMs = here ? await latencies(runtime, model, plan, probe) : undefined
  const share = macShares(layersIn(model, plan.placement.layers), shapes)
  const gained = latencyMs ? Math.max(0, latencyMs.float - latencyMs.integer) : 0
  const known = { plan, channels, perTensor: options.weights === 'per-tensor' }
  const found = new Map(measured.map((row) => [row.owner.name, row]))
  const inOrder = rows.flatMap(({ owner }) => found.get(owner.name) ?? [])
  const noisy = inOrder.map((row) => ({ ...row, values: row.activations.map(({ name }) => name) }))
  const blame = blames(noisy, channels, ownerOf)
  const layers = ranked(
    measured.map((row) => {
      const floatMs = gained * (share.get(row.owner.name) ?? 0)
      return described(row, { ...known, floatMs, blame: blame.get(row.owner.name) ?? 0 })
    }),
  )
  return {
    recipe,
    layers,
    noise: all,
    predicted: layers.reduce((sum, { noise }) => sum + noise.both, 0),
    samples: judge.samples,
    ...(latencyMs ? { latencyMs } : {}),
    notes: [...notes, ...samples.dataset.notes, ...runtime.notes.splice(0)],
    seconds: (performance.now() - started) / 1000,
  }
}

/** By blame; before all others what looks damaged, but for a range that is cut so far that most of the noise comes from it. */
function ranked(layers: readonly AnalyzedLayer[]): AnalyzedLayer[] {
  const all = layers.reduce((sum, { blame }) => sum + blame, 0)
  const rank = ({ cause, blame, damaged }: AnalyzedLayer) =>
    cause === 'clipped range' && blame > all / 2 ? 2 : damaged ? 1 : 0
  return layers.toSorted((a, b) => rank(b) - rank(a) || b.blame - a.blame)
}

/** What the channels of values with a grid do, on the few samples that noise is measured on. */
async function channelsOf(
  runtime: Runtime,
  { model, shapes, plan: { activations } }: PlannedModel,
  probe: readonly SplitBatch[],
  watch: Watch,
): Promise<Statistics> {
  const known = new Map(channelRequests(model, shapes).map((request) => [request.value, request]))
  const requests = [...activations.keys()].flatMap((value): ChannelRequest[] => {
    const rank = shapes.get(value)?.dims.length ?? 0
    return rank < 2 ? [] : [known.get(value) ?? { value, axis: rank === 3 ? 2 : 1 }]
  })
  async function* batches() {
    for (const { batch } of probe) yield batch
  }
  const total = probe.reduce((sum, { batch }) => sum + batch.size, 0)
  return channelStatistics(runtime, model, batches(), { requests, shapes, total, ...watch })
}

function rowsOf(model: Model, { switches }: Switchable, ownerOf: (value: string) => Owner): Row[] {
  const outputs = new Map(model.graph.nodes.map((node) => [nodeName(node), node.outputs[0] ?? '']))
  const rows = new Map<string, { owner: Owner; weights: Switch[]; activations: Switch[] }>()
  for (const each of switches) {
    const owner = ownerOf(each.kind === 'weights' ? (outputs.get(each.name) ?? each.name) : each.name)
    const row = rows.get(owner.name) ?? { owner, weights: [], activations: [] }
    rows.set(owner.name, row)
    row[each.kind === 'weights' ? 'weights' : 'activations'].push(each)
  }
  const place = new Map(model.graph.nodes.map((node, at) => [nodeName(node), at]))
  return [...rows.values()].toSorted((a, b) => (place.get(a.owner.name) ?? -1) - (place.get(b.owner.name) ?? -1))
}

/** Loudest first. */
async function measureRows(
  runtime: Runtime,
  form: Switchable,
  rows: readonly Row[],
  { judge, quick, ...watch }: Watch & { readonly judge: Judge; readonly quick: Judge },
): Promise<{ readonly measured: readonly Measured[]; readonly all: number }> {
  const options = { simulate: true, label: 'the model with a switch for each grid' }
  return withSession(runtime, form.model, options, async (session) => {
    const total = 2 * rows.length + 6 * Math.min(LOUDEST, rows.length)
    let done = 0
    const look = (on: readonly Switch[], by = judge) => {
      throwIfCancelled(watch.signal)
      report(watch, { step: 'analyse', done: done++, total })
      return by.comparisonOn(session, form.feeds(new Set(on)), watch)
    }
    const noiseOf = async (on: readonly Switch[], by = judge) => (on.length === 0 ? 0 : noiseIn(await look(on, by)))
    const apart = async (row: Row, by: Judge): Promise<Measured> => {
      const [weights, activations] = [await noiseOf(row.weights, by), await noiseOf(row.activations, by)]
      return { ...row, noise: { weights, activations, both: weights + activations }, measured: false }
    }
    const glanced: Measured[] = []
    for (const row of rows) glanced.push(await apart(row, quick))
    const alone: Measured[] = []
    for (const [at, row] of glanced.toSorted((a, b) => b.noise.both - a.noise.both).entries())
      alone.push(at < 2 * LOUDEST ? await apart(row, judge) : row)
    const everything = noiseIn(await look(form.switches))
    const together = async (row: Measured): Promise<Measured> => {
      const comparison = await look([...row.weights, ...row.activations])
      return { ...row, noise: { ...row.noise, both: noiseIn(comparison) }, measured: true, comparison }
    }
    const ranked = alone.toSorted((a, b) => b.noise.both - a.noise.both)
    const loud: Measured[] = []
    for (const row of ranked.slice(0, LOUDEST)) loud.push(await together(row))
    const agree = loud.every((row, i) => within(row.noise.both, ranked[i]?.noise.both ?? 0))
    const rest = ranked.slice(LOUDEST)
    const quiet: Measured[] = []
    for (const row of rest) quiet.push(agree ? row : await together(row))
    const measured: Measured[] = []
    for (const row of [...loud, ...quiet].toSorted((a, b) => b.noise.both - a.noise.both))
      measured.push(measured.length < LOUDEST ? await spared(row, form, everything, noiseOf) : row)
    return { measured, all: everything }
  })
}

/** What goes when the row alone is in float. */
async function spared(
  row: Measured,
  { switches }: Switchable,
  everything: number,
  noiseOf: (on: readonly Switch[]) => Promise<number>,
): Promise<Measured> {
  const own = new Set([...row.weights, ...row.activations])
  return { ...row, spared: everything - (await noiseOf(switches.filter((each) => !own.has(each)))) }
}

const within = (a: number, b: number) => a <= AGREES * b && b <= AGREES * a

/** Latency of the float and of the integer model, in milliseconds for a batch of samples. */
async function latencies(
  runtime: Runtime,
  model: Model,
  plan: Plan,
  [first]: readonly SplitBatch[],
): Promise<AnalyzeRun['latencyMs']> {
  if (!first || plan.weights.size === 0) return undefined
  const options = { label: 'a timed model' }
  return withSession(runtime, model, options, (before) =>
    withSession(runtime, insertQdq(model, plan), options, async (after) => {
      const [float, integer] = await measureLatency(runtime, [before, after], first.batch.inputs)
      return float && integer ? { float: float.medianMs, integer: integer.medianMs } : undefined
    }),
  )
}

interface Described {
  readonly plan: Plan
  readonly channels: Statistics
  readonly floatMs: number
  readonly perTensor: boolean
  readonly blame: number
}

function described(
  { owner, noise, measured, spared: gone, comparison, activations }: Measured,
  known: Described,
): AnalyzedLayer {
  const { plan, channels, floatMs, perTensor, blame } = known
  const values = activations.flatMap(({ name }) => {
    const grid = plan.activations.get(name)
    return grid ? [{ value: name, grid, channels: channels.get(name) }] : []
  })
  const addends = owner.inputs.flatMap((value) => {
    const seen = channels.get(value)
    return seen ? [rms(seen)] : []
  })
  const diagnosis = diagnose({
    name: owner.name,
    op: owner.op,
    noise,
    layer: owner.layer,
    weightBits: plan.weightBits.get(owner.name) ?? 8,
    perTensor,
    values,
    addends,
    floatMs,
  })
  return {
    name: owner.name,
    op: owner.op,
    noise,
    blame,
    measured,
    ...(gone === undefined ? {} : { spared: gone }),
    ...(comparison ? { sqnrDb: comparison.sqnrDb } : {}),
    ...(comparison?.columns ? { columns: comparison.columns } : {}),
    ...diagnosis,
  }
}

const rms = ({ mean, deviation }: { readonly mean: Float64Array; readonly deviation: Float64Array }) =>
  Math.sqrt(mean.reduce((sum, m, c) => sum + m * m + (deviation[c] ?? 0) ** 2, 0) / Math.max(1, mean.length))
