// From a finished quantisation to the report's rows and to the JSON of the command line.
import type { Comparison } from '../metrics/index.ts'
import { otherProducts } from '../onnx/index.ts'
import type { QuantizeRecipe } from '../recipe/index.ts'
import { type PartRow, type Report, repairsOf, type StepRow, type VariantRow } from '../report/index.ts'
import { commandLineOf } from './command-line.ts'
import { inputChannelRows, outlierChannels } from './outlier-channels.ts'
import { blockOf } from './quantize/options-for.ts'
import type { SpeedChoice } from './quantize/prefer-speed.ts'
import type { QuantizeOutcome, QuantizeRun } from './quantize/run.ts'
import { activationRows, layerRows } from './quantize-rows.ts'
import { similarityJson, similarityRow } from './similarity.ts'
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
  const apart = outlierChannels(run)
  return {
    output: run.output,
    measured: run.measured,
    sizeBytes: run.sizeBytes,
    ...(run.encodings ? { encodings: run.encodings } : {}),
    ...(counts ? { layerCounts: counts } : {}),
    ...(comparison
      ? {
          sqnrDb: outputsJson(comparison),
          ...(Object.values(comparison.sqnrDb).some((db) => db === null) ? { exact: true } : {}),
          ...columnsJson(comparison),
          ...similarityJson(comparison),
          ...(comparison.agreement === undefined ? {} : { agreement: comparison.agreement, kl: comparison.kl }),
        }
      : {}),
    ...(run.speed ? { speed: run.speed } : {}),
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
    ...(apart.length > 0 ? { outlierChannels: apart } : {}),
    ...(isHalf(run.recipe) && run.float.length > 0 ? { float32: run.float } : {}),
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
        ? { skipped: [...(rewrite.refused ? [`reverted: ${rewrite.refused}`] : []), ...rewrite.skipped] }
        : {}),
      ...(rewrite.sqnrDb === undefined ? {} : { sqnrDb: rewrite.sqnrDb }),
      ...(rewrite.sqnrDb === undefined ? {} : { boundDb: rewrite.boundDb }),
      ...(rewrite.randomSqnrDb === undefined ? {} : { randomSqnrDb: rewrite.randomSqnrDb }),
    }),
  )
  const sqnr = mainSqnr(run.comparison)
  const { recipe } = run
  const text =
    recipe.mode === 'dynamic'
      ? `${recipe.weightBits === 8 ? 'int8' : '4-bit'} weights ${recipe.weights}, products of matrices by the range of each run`
      : recipe.mode !== 'static'
        ? `${weightsOf(recipe)}, activations ${isHalf(recipe) ? 'float16' : 'float'}`
        : `int8 weights ${recipe.weights}, ${recipe.activationType} activations, ${recipe.range} ranges from ${run.recipe.statistics ? 'stored statistics' : run.recipe.encodingsFrom ? 'encodings' : `${run.samples.length} samples`}`
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
  const block = blockOf(recipe)
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
      ...(recipe.mode === 'float16' ? { weightsOnly: { bits: 16 } } : {}),
      ...(recipe.mode === 'weights'
        ? { weightsOnly: { bits: recipe.weightBits, ...(block === undefined ? {} : { block }) } }
        : {}),
      untouched: isUntouched(run),
      slower: run.speed !== undefined && run.speed.nodes.integer === 0,
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
      ...(run.speed ? [{ label: 'chosen by time', value: speedWords(run.speed) }] : []),
      { label: 'result', value: run.output },
    ],
    variants: variantsOf(run),
    ...(run.ladder ? { ladder: run.ladder } : {}),
    outputs: comparison ? outputRows(comparison) : {},
    steps: stepsOf(run),
    layers,
    ...(others.length > 0 ? { otherProducts: others } : {}),
    activations: activationRows(run),
    inputChannels: inputChannelRows(run),
    parts: partRows(run),
    notes: run.notes,
    environment,
    recipe,
    commandLine: commandLineOf(recipe),
  }
}

/** "3.10 ms in float, 4.81 ms in integers, 2.90 ms as chosen (2.80 foretold); 12 of 30 nodes in integers; onnxruntime-node, 2 threads, batch 1" */
function speedWords({
  runtime,
  threads,
  batch,
  floatMs,
  integerMs,
  predictedMs,
  chosenMs,
  nodes,
}: SpeedChoice): string {
  const ms = (value: number) => value.toFixed(2)
  return `${ms(floatMs)} ms in float, ${ms(integerMs)} ms in integers, ${ms(chosenMs)} ms as chosen (${ms(predictedMs)} foretold); ${nodes.integer} of ${nodes.able} nodes in integers; ${runtime}, ${threads === 1 ? '1 thread' : `${threads} threads`}, batch ${batch}`
}

/** Where the bytes are, before and after. */
function partRows({ parts }: QuantizeOutcome): PartRow[] {
  const after = new Map(parts?.after.map(({ part, bytes }) => [part, bytes]))
  const before = new Map(parts?.before.map(({ part, bytes }) => [part, bytes]))
  return [...new Set([...before.keys(), ...after.keys()])].map((part) => ({
    part,
    bytes: { before: before.get(part) ?? 0, after: after.get(part) ?? 0 },
  }))
}

/** Does a recipe compute in float16? */
function isHalf({ mode, float16, weightStorage }: QuantizeRecipe): boolean {
  return float16 || (mode === 'float16' && !weightStorage.endsWith('float16'))
}

/** The weights of the written file, in words. */
function weightsOf(recipe: QuantizeRecipe): string {
  const block = blockOf(recipe)
  if (recipe.mode === 'float16') return `${recipe.weightStorage === 'bfloat16' ? 'bfloat16' : 'float16'} weights`
  return block === undefined
    ? `int8 weights ${recipe.weights}`
    : `int${recipe.weightBits} weights in blocks of ${block}`
}

/** Is no weight and no activation on a grid? */
function isUntouched({ recipe, plan }: QuantizeOutcome): boolean {
  return (
    recipe.mode !== 'weights' &&
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
      ...(comparison ? similarityRow(comparison) : {}),
      ...(sqnr === undefined ? {} : { sqnrDb: sqnr }),
      ...(counts ? { integerLayers: counts.integer, totalLayers: counts.total } : {}),
    },
  ]
}
