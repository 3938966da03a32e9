// From a finished compression to the report's rows.
import { basename } from 'node:path'
import {
  type CompressibleLayer,
  type FittedLayer,
  type LayerChoice,
  macs,
  splitCost,
  splitNamed,
  wholeShape,
} from '../compress/index.ts'
import { wilsonInterval } from '../math/index.ts'
import { layersOf } from '../onnx/index.ts'
import {
  type CompressedLayerRow,
  type CompressionReport,
  formatBytes,
  type LayerRow,
  type Report,
  type StepRow,
  type VariantRow,
} from '../report/index.ts'
import { describeEnvironment } from '../runtime/index.node.ts'
import type { Runtime } from '../runtime/index.ts'
import { channelRows } from './channel-rows.ts'
import { commandLineOf } from './command-line.ts'
import { ratioOf } from './compress/layer-ratio.ts'
import type { CompressPoint, CompressRun } from './compress.node.ts'
import { similarityRow } from './similarity.ts'
import { mainSqnr, makeVerdict, outputRows } from './verdict.ts'

/** The whole report; of several points the last, strongest one is the result. */
export function compressReport(run: CompressRun, runtime: Runtime): Report {
  const { recipe, points } = run
  const last = points.at(-1)
  if (!last) throw new Error('a compression without a result has no report')
  const { comparison, latency, macs: count } = last.measures
  const verdict = makeVerdict({
    sizeBytes: last.sizeBytes,
    layerCounts: { total: run.survey.layers.length, integer: 0 },
    random: recipe.data === 'random',
    comparison,
    latency,
  })
  const ratio = `${((100 * count.after) / count.before).toFixed(1)} % of the multiplications`
  const answers = verdict.points.map((answer) => `${answer.question}: ${answer.answer}`).join(', ')
  return {
    version: 1,
    command: 'compress',
    title: `${basename(recipe.model)} → ${basename(last.output)}`,
    createdAt: new Date().toISOString(),
    verdict: {
      ...verdict,
      headline:
        verdict.tone === 'dead' ? `the compressed model no longer does its job (${ratio})` : `${answers}; ${ratio}`,
      advice: run.refused.map(({ reason }) => reason),
    },
    facts: [
      { label: 'model', value: basename(recipe.model) },
      { label: 'samples', value: `${run.samples.length} to fit to, ${comparison.samples} scored` },
      {
        label: 'multiplications',
        value: `${count.before} → ${count.after} (${((100 * count.after) / count.before).toFixed(1)} %)`,
      },
      {
        label: 'activation memory at its peak',
        value: `${formatBytes(last.measures.activationBytes.before)} → ${formatBytes(last.measures.activationBytes.after)} for a sample`,
      },
      { label: 'evaluations in the search', value: String(run.evaluations) },
      ...points.map((point) => ({ label: 'result', value: point.output })),
    ],
    variants: variantsOf(run),
    outputs: outputRows(comparison),
    steps: stepsOf(run),
    layers: layerRows(run, last),
    activations: [],
    compression: compressionRows(run, last),
    notes: run.notes,
    environment: describeEnvironment(runtime),
    recipe,
    commandLine: commandLineOf(recipe),
  }
}

function variantsOf({ points }: CompressRun): VariantRow[] {
  const rows: VariantRow[] = []
  for (const [index, point] of points.entries()) {
    const { comparison, latency, macs: count } = point.measures
    const { metric, agreement, kl } = comparison
    const scored = (value: number, difference = {}) =>
      metric
        ? {
            metric: {
              name: metric.name,
              value,
              samples: metric.samples,
              interval: wilsonInterval(Math.round(value * metric.samples), metric.samples),
              ...difference,
            },
          }
        : {}
    const time = (side: 'before' | 'after') => ({
      latencyMs: latency[side].medianMs,
      latencySpreadMs: (latency[side].highMs - latency[side].lowMs) / 2,
    })
    if (index === 0)
      rows.push({
        name: 'float',
        sizeBytes: point.sizeBytes.before,
        ...time('before'),
        ...(metric ? scored(metric.before) : {}),
      })
    const sqnr = mainSqnr(comparison)
    rows.push({
      name: `${((100 * count.after) / count.before).toFixed(0)} % of the MACs`,
      kept: true,
      sizeBytes: point.sizeBytes.after,
      ...time('after'),
      ...(metric ? scored(metric.after, { difference: { value: metric.difference, interval: metric.interval } }) : {}),
      ...similarityRow(comparison),
      ...(agreement === undefined ? {} : { agreement, ...(kl === undefined ? {} : { kl }) }),
      ...(sqnr === undefined ? {} : { sqnrDb: sqnr }),
    })
  }
  return rows
}

function stepsOf(run: CompressRun): StepRow[] {
  return [
    ...run.rewrites.map(
      (rewrite): StepRow => ({
        name: rewrite.name,
        kind: rewrite.kind,
        kept: rewrite.kept,
        changes: rewrite.changes,
        ...(rewrite.skipped.length > 0 ? { skipped: rewrite.skipped } : {}),
        ...(rewrite.sqnrDb === undefined ? {} : { sqnrDb: rewrite.sqnrDb }),
      }),
    ),
    {
      name: run.recipe.plain ? 'split' : 'split and refit',
      kind: 'step',
      kept: true,
      changes: (run.points.at(-1)?.layers ?? []).map((layer) => `${layer.name}: ${wordsOf(layer.choice, '', layer)}`),
      ...(run.survey.left.length > 0 || run.closed
        ? {
            skipped: [
              ...run.survey.left.map(({ name, reason }) => `${name}: ${reason}`),
              ...(run.closed ?? []).map(({ name, reason }) => `${name} keeps its channels: ${reason}`),
            ],
          }
        : {}),
    },
  ]
}

function wordsOf(choice: LayerChoice | undefined, why: string, layer?: FittedLayer): string {
  const cut = [layer?.channels, layer?.inputs].map((one) => (one ? `${one.after} of ${one.before}` : 'all'))
  if (!choice && (layer?.channels || layer?.inputs)) return `prune, ${cut[0]} outputs and ${cut[1]} inputs stay`
  if (!choice) return why === '' ? 'keeps its form' : `keeps its form: ${why}`
  return `${splitNamed(choice.split).method} ${choice.split}, rank ${choice.rank}`
}

function layerRows(run: CompressRun, last: CompressPoint): LayerRow[] {
  const now = new Map(layersOf(last.model).map((layer) => [layer.name, layer]))
  return layersOf(run.floatModel).map((layer): LayerRow => {
    const known = run.survey.layers.find((other) => other.name === layer.name)
    const reason = run.survey.left.find((other) => other.name === layer.name)?.reason
    const before = channelRows(layer)
    // The second part of a split layer keeps its name and its output channels.
    const result = now.get(layer.name)
    const after = result && result.weight !== layer.weight ? channelRows(result) : undefined
    return {
      name: layer.name,
      op: layer.node.opType,
      parameters: layer.weight.size + (layer.bias?.size ?? 0),
      ...(known ? { macs: macs.cost(wholeShape(known)) } : {}),
      ...(reason ? { reason } : {}),
      ...before,
      ...(after ? { channelsAfter: after.channels, rangesAfter: after.ranges } : {}),
    }
  })
}

/** Columns of the table of errors. */
const RATIOS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]

function compressionRows(run: CompressRun, last: CompressPoint): CompressionReport {
  const fitted = new Map(last.layers.map((layer) => [layer.name, layer]))
  const [first] = run.points
  return {
    cost: run.budget.cost.name === 'bytes' ? 'parameter bytes' : 'MACs',
    ratios: RATIOS,
    layers: run.survey.layers.map((layer): CompressedLayerRow => {
      const result = fitted.get(layer.name)
      const choice = result?.choice
      const latencyMs = last.layerLatency?.get(layer.name)
      return {
        name: layer.name,
        ratio: ratioOf(run.survey, result ?? { name: layer.name }),
        what: wordsOf(choice, result ? '' : 'asked to', result),
        error: result?.error ?? 0,
        errors: errorsAt(run, layer),
        ...spectrumOf(run, layer, choice),
        ...(latencyMs ? { latencyMs } : {}),
      }
    }),
    curve: [
      ...(first ? [curvePoint('original', first.measures, 'before', first.sizeBytes.before)] : []),
      ...run.points.map((point) => curvePoint(basename(point.output), point.measures, 'after', point.sizeBytes.after)),
    ],
  }
}

function curvePoint(name: string, measures: CompressPoint['measures'], side: 'before' | 'after', sizeBytes: number) {
  const { comparison, latency, macs: count } = measures
  const { metric, agreement, kl } = comparison
  return {
    name,
    macs: count[side],
    sizeBytes,
    latencyMs: latency[side].medianMs,
    activationBytes: measures.activationBytes[side],
    ...(metric ? { metric: metric[side] } : {}),
    ...(side === 'after' && agreement !== undefined ? { agreement } : {}),
    ...(side === 'after' && kl !== undefined ? { kl } : {}),
  }
}

/** Least error of a layer at each share of its multiplications. */
function errorsAt(run: CompressRun, layer: CompressibleLayer): (number | null)[] {
  const whole = macs.cost(wholeShape(layer))
  return RATIOS.map((ratio) => {
    let best: number | null = null
    for (const { split, errors } of run.curves.get(layer.name)?.curves ?? [])
      for (const [index, error] of errors.entries()) {
        if (splitCost(macs, splitNamed(split), layer, index + 1) > ratio * whole) break
        if (best === null || error < best) best = error
      }
    return best
  })
}

function spectrumOf(run: CompressRun, { name }: CompressibleLayer, choice: LayerChoice | undefined) {
  const curves = run.curves.get(name)?.curves ?? []
  const curve = curves.find(({ split }) => split === choice?.split) ?? curves[0]
  if (!curve) return {}
  return { spectrum: { split: curve.split, errors: curve.errors, ...(choice ? { rank: choice.rank } : {}) } }
}
