// From a finished quantisation to the report's rows and to the JSON of the command line.
import type { Comparison } from '../metrics/index.ts'
import { type Layer, layersOf, macsOf, nodeName, otherProducts } from '../onnx/index.ts'
import {
  type ActivationRow,
  type LayerRow,
  type Report,
  repairsOf,
  type StepRow,
  spreadOf,
  type VariantRow,
} from '../report/index.ts'
import { channelRows } from './channel-rows.ts'
import { commandLineOf } from './command-line.ts'
import type { QuantizeOutcome, QuantizeRun } from './quantize/run.ts'
import type { QuantizeRecipe } from './recipe.ts'
import { columnsJson, jsonDb, mainSqnr, makeVerdict, metricJson, outputRows } from './verdict.ts'

/** Integer layers and all layers of the written model. */
export function layerCounts({ kernels }: QuantizeRun): { total: number; integer: number } {
  return { total: kernels.length, integer: kernels.filter((kernel) => kernel.integer).length }
}

/** The same where it is known what runs them. */
function countsOf({ kernels, ...run }: QuantizeOutcome): ReturnType<typeof layerCounts> | undefined {
  return kernels && layerCounts({ ...run, kernels })
}

/** What `quantize --json` prints. */
export function quantizeJson(run: QuantizeOutcome): Record<string, unknown> {
  const { comparison, latency } = run
  const metric = comparison?.metric
  const counts = countsOf(run)
  return {
    output: run.output,
    measured: run.measured,
    sizeBytes: run.sizeBytes,
    ...(counts ? { layerCounts: counts } : {}),
    ...(comparison
      ? {
          sqnrDb: outputsJson(comparison),
          ...(Object.values(comparison.sqnrDb).some((db) => db === null) ? { exact: true } : {}),
          ...columnsJson(comparison),
          ...(comparison.agreement === undefined ? {} : { agreement: comparison.agreement, kl: comparison.kl }),
        }
      : {}),
    ...(run.glance ? { glance: { sqnrDb: outputsJson(run.glance) } } : {}),
    ...(metric ? { metric: metricJson(metric) } : {}),
    ...(latency
      ? {
          ...(run.elsewhere ? { timedOn: run.elsewhere } : {}),
          latencyMs: { before: latency.before.medianMs, after: latency.after.medianMs },
          latencySpreadMs: {
            before: latency.before.highMs - latency.before.lowMs,
            after: latency.after.highMs - latency.after.lowMs,
          },
        }
      : {}),
    steps: stepsOf(run).map((step) => ({
      step: step.name,
      kept: step.kept,
      ...(step.sqnrDb === undefined
        ? {}
        : { sqnrDb: jsonDb(step.sqnrDb), ...(step.sqnrDb === null ? { exact: true } : {}) }),
      ...(step.changes.length > 0 ? { changes: step.changes.length } : {}),
    })),
    ...(run.ladder
      ? {
          ladder: run.ladder.map((row) => ({
            ...row,
            ...(row.sqnrDb === undefined ? {} : { sqnrDb: jsonDb(row.sqnrDb) }),
          })),
        }
      : {}),
    samples: run.samples,
    notes: run.notes,
  }
}

function outputsJson({ sqnrDb }: Comparison): Record<string, number | string | null> {
  return Object.fromEntries(Object.entries(sqnrDb).map(([name, db]) => [name, jsonDb(db)]))
}

function stepsOf(run: QuantizeOutcome): StepRow[] {
  const rewrites = run.rewrites.map(
    (rewrite): StepRow => ({
      name: rewrite.name,
      kind: rewrite.kind,
      kept: rewrite.kept,
      changes: rewrite.changes,
      ...(rewrite.refused || rewrite.skipped.length > 0
        ? { skipped: [...(rewrite.refused ? [`taken back: ${rewrite.refused}`] : []), ...rewrite.skipped] }
        : {}),
      ...(rewrite.sqnrDb === undefined ? {} : { sqnrDb: rewrite.sqnrDb }),
      ...(rewrite.sqnrDb === undefined ? {} : { boundDb: rewrite.boundDb }),
      ...(rewrite.randomSqnrDb === undefined ? {} : { randomSqnrDb: rewrite.randomSqnrDb }),
    }),
  )
  const sqnr = mainSqnr(run.comparison)
  const { recipe } = run
  const text =
    recipe.mode === 'weights'
      ? `${weightsOf(recipe)}, activations float`
      : `int8 weights ${recipe.weights}, ${recipe.activationType} activations, ${recipe.range} ranges from ${run.recipe.statistics ? 'stored statistics' : `${run.samples.length} samples`}`
  return [
    ...rewrites,
    { name: 'insert-qdq', kind: 'step', kept: true, changes: [text], ...(sqnr === undefined ? {} : { sqnrDb: sqnr }) },
  ]
}

/**
 * The whole report of a quantisation.
 * @param environment machine and versions, label → value
 */
export function reportOfQuantization(run: QuantizeOutcome, environment: Readonly<Record<string, string>>): Report {
  const { comparison, latency } = run
  const recipe = withoutStatistics(run.recipe)
  const counts = countsOf(run)
  const layers = layerRows(run)
  const { ops: others } = otherProducts(run.floatModel, run.shapes)
  return {
    version: 1,
    command: 'quantize',
    title: `${nameOf(recipe.model)} → ${nameOf(run.output)}`,
    createdAt: new Date().toISOString(),
    verdict: makeVerdict({
      sizeBytes: run.sizeBytes,
      ...(counts ? { layerCounts: counts } : {}),
      random: recipe.data === 'random',
      perTensor: recipe.weights === 'per-tensor',
      hurt: repairsOf(layers)?.hurt.map(({ name }) => name) ?? [],
      effort: recipe.effort,
      ...(recipe.mode === 'weights' ? { weightsOnly: { bits: recipe.weightBits, block: recipe.block } } : {}),
      untouched: isUntouched(run),
      ...(run.glance ? { glance: run.glance } : {}),
      ...(comparison ? { comparison } : {}),
      ...(latency ? { latency } : {}),
      ...(run.elsewhere ? { elsewhere: { runtime: run.elsewhere, target: recipe.target } } : {}),
    }),
    facts: [
      { label: 'model', value: nameOf(recipe.model) },
      { label: 'samples', value: `${run.samples.length} to calibrate on, ${comparison?.samples ?? 0} scored` },
      ...(counts ? [{ label: 'integer layers', value: `${counts.integer} of ${counts.total}` }] : []),
      { label: 'target', value: recipe.target },
      { label: 'result', value: run.output },
    ],
    variants: variantsOf(run),
    ...(run.ladder ? { ladder: run.ladder } : {}),
    outputs: comparison ? outputRows(comparison) : {},
    steps: stepsOf(run),
    layers,
    ...(others.length > 0 ? { otherProducts: others } : {}),
    activations: activationRows(run),
    notes: run.notes,
    environment,
    recipe,
    commandLine: commandLineOf(recipe),
  }
}

/** The weights of the written file, in words. */
function weightsOf({ mode, weightBits, weights, block }: QuantizeRecipe): string {
  return mode === 'weights' && weightBits === 4 ? `int4 weights in blocks of ${block}` : `int8 weights ${weights}`
}

/** Is no weight and no activation on a grid? */
function isUntouched({ recipe, plan }: QuantizeOutcome): boolean {
  return (
    recipe.mode === 'static' &&
    (plan === undefined || plan.weights.size + plan.stored.size + plan.activations.size === 0)
  )
}

/** A report tells of a run; what the samples taught is in a file of its own. */
function withoutStatistics({ statistics, ...recipe }: QuantizeRecipe): QuantizeRecipe {
  return typeof statistics === 'string' ? { ...recipe, statistics } : recipe
}

/** The last part of a path. */
function nameOf(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path
}

function variantsOf(run: QuantizeOutcome): VariantRow[] {
  const { comparison, latency, sizeBytes } = run
  const metric = comparison?.metric
  const scored = (side: 'before' | 'after', difference = {}) =>
    metric
      ? {
          metric: {
            name: metric.name,
            ...(metric.unit === undefined ? {} : { unit: metric.unit }),
            value: metric[side],
            samples: metric.samples,
            interval: metric.intervals[side],
            ...difference,
          },
        }
      : {}
  const counts = countsOf(run)
  const sqnr = mainSqnr(comparison)
  return [
    {
      name: 'float',
      sizeBytes: sizeBytes.before,
      ...(latency
        ? { latencyMs: latency.before.medianMs, latencySpreadMs: (latency.before.highMs - latency.before.lowMs) / 2 }
        : {}),
      ...scored('before'),
    },
    {
      name: weightsOf(run.recipe).replace(' weights', ''),
      kept: true,
      sizeBytes: sizeBytes.after,
      ...(latency
        ? { latencyMs: latency.after.medianMs, latencySpreadMs: (latency.after.highMs - latency.after.lowMs) / 2 }
        : {}),
      ...(metric ? scored('after', { difference: { value: metric.difference, interval: metric.interval } }) : {}),
      ...(comparison?.agreement === undefined
        ? {}
        : { agreement: comparison.agreement, ...(comparison.kl === undefined ? {} : { kl: comparison.kl }) }),
      ...(sqnr === undefined ? {} : { sqnrDb: sqnr }),
      ...(counts ? { integerLayers: counts.integer, totalLayers: counts.total } : {}),
    },
  ]
}

function layerRows(run: QuantizeOutcome): LayerRow[] {
  const kernels = new Map(run.kernels?.map((kernel) => [kernel.name, kernel]))
  const sqnr = new Map(run.layerSqnr.map((layer) => [layer.name, layer.sqnrDb]))
  const naive = new Map(run.naiveLayerSqnr?.map((layer) => [layer.name, layer.sqnrDb]))
  const originals = new Map(run.originalFolded ? layersOf(run.originalFolded).map((layer) => [layer.name, layer]) : [])
  const reasons = new Map(run.float.map(({ name, reason }) => [name, reason]))
  return layersOf(run.floatModel).map((layer): LayerRow => {
    const kernel = kernels.get(layer.name)
    const macs = macsOf(layer, run.shapes)
    const naiveDb = naive.get(nodeName(layer.node))
    const shift = run.meanShift?.get(layer.name)
    const weight = run.plan?.weights.get(layer.node) ?? run.plan?.stored.get(layer.node)
    const grid = run.plan?.activations.get(layer.node.outputs[0] ?? '')
    const db = sqnr.get(nodeName(layer.node))
    const reason = kernel?.requantized
      ? 'ONNX Runtime quantises it itself, with one scale for all channels'
      : kernel?.integer
        ? undefined
        : (kernel?.trap ?? reasons.get(layer.name) ?? (kernel ? `ONNX Runtime runs it as ${kernel.kernel}` : undefined))
    return {
      name: layer.name,
      op: layer.node.opType,
      parameters: layer.weight.size + (layer.bias?.size ?? 0),
      ...(macs === undefined ? {} : { macs }),
      ...(kernel ? { integer: kernel.integer, kernel: kernel.kernel } : {}),
      ...(reason ? { reason } : {}),
      ...(db === undefined ? {} : { sqnrDb: db }),
      ...(weight
        ? {
            weightGrid: `${weight.dtype}, ${weight.scale.length === 1 ? 'one scale' : `${weight.scale.length} scales`}`,
          }
        : {}),
      ...(grid
        ? {
            outputGrid: `${grid.params.dtype} [${grid.low.toPrecision(4)}, ${grid.high.toPrecision(4)}]`.replaceAll(
              '-',
              '−',
            ),
          }
        : {}),
      ...(naiveDb === undefined ? {} : { naiveSqnrDb: naiveDb }),
      ...channelFields(layer, originals.get(layer.name)),
      ...(shift ? { meanShift: shift } : {}),
    }
  })
}

/** The channels of a layer; before and after when equalisation changed its weight. */
function channelFields(layer: Layer, original: Layer | undefined): Partial<LayerRow> {
  const now = channelRows(layer)
  if (now === undefined) return {}
  const rangeSpread = spreadOf(now.ranges)
  const before = original === undefined || sameWeight(original, layer) ? undefined : channelRows(original)
  if (before === undefined) return { rangeSpread, ...now }
  return { rangeSpread, ...before, channelsAfter: now.channels, rangesAfter: now.ranges }
}

function sameWeight({ weight: a }: Layer, { weight: b }: Layer): boolean {
  if (a === b) return true
  const [left, right] = [a.floats(), b.floats()]
  return left.length === right.length && left.every((value, index) => value === right[index])
}

function activationRows(run: QuantizeOutcome): ActivationRow[] {
  return [...(run.plan?.activations ?? [])].map(
    ([tensor, grid]): ActivationRow => ({
      tensor,
      dtype: grid.params.dtype,
      scale: grid.params.scale[0] ?? 1,
      zeroPoint: grid.params.zeroPoint[0] ?? 0,
      low: grid.low,
      high: grid.high,
      ...(grid.observed ? { observedLow: grid.observed.min, observedHigh: grid.observed.max } : {}),
      reason: run.plan?.placement.tensors.get(tensor)?.integerProducer
        ? 'between integer operators'
        : 'enters an integer operator',
      method: grid.method,
    }),
  )
}
