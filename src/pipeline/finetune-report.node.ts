// From a finished fine-tuning to the report's rows and to the JSON of the command line.
import { basename } from 'node:path'
import { wilsonInterval } from '../math/index.ts'
import type { Report, TrainingRows, VariantRow, Verdict, VerdictPoint } from '../report/index.ts'
import { describeEnvironment } from '../runtime/index.node.ts'
import type { Runtime } from '../runtime/index.ts'
import { commandLineOf } from './command-line.ts'
import type { FinetuneRun } from './finetune.node.ts'
import { similarityJson, similarityRow } from './similarity.ts'
import { accurate, columnsJson, jsonDb, mainSqnr, outputRows, smaller } from './verdict.ts'

/** A score before and after, and whether it is one of dB. */
interface Change {
  readonly name: string
  readonly before: number
  readonly after: number
}

/**
 * Score before and after: on samples that no fit has seen. Without labels it is the SQNR against the
 * float model, of the quantised model before training and after it, or against the teacher.
 */
function metricOf({ comparison, untrained, taught }: FinetuneRun): Change | undefined {
  if (comparison.metric) return comparison.metric
  const [first, second] = taught ? [taught.before, taught.after] : [untrained, comparison]
  const [before, after] = [first, second].map((each) => each && mainSqnr(each))
  return typeof before === 'number' && typeof after === 'number' ? { name: 'SQNR', before, after } : undefined
}

/** What `finetune --json` prints. */
export function finetuneJson(run: FinetuneRun): Record<string, unknown> {
  const { tuned, comparison, deployed } = run
  const metric = metricOf(run)
  const sqnr = comparison?.sqnrDb ?? {}
  return {
    output: run.output,
    ...(metric ? { metric } : {}),
    epochs: tuned.result.history.length,
    steps: tuned.result.steps,
    stepMs: tuned.result.stepMs,
    lossCurve: tuned.result.losses,
    epochCurve: tuned.result.history,
    ...(tuned.result.best ? { bestEpoch: tuned.result.best.epoch } : {}),
    trainedNumbers: run.trainedNumbers,
    ...(run.recipe.lora === undefined ? {} : { lora: run.recipe.lora }),
    ...(run.recipe.adapters === undefined ? {} : { adapters: run.recipe.adapters }),
    layersTrained: { trained: run.layers.trained, asked: run.layers.asked },
    ...(run.layers.untrained.length > 0 ? { untrained: run.layers.untrained } : {}),
    kept: tuned.kept,
    sizeBytes: run.sizeBytes,
    ...(comparison
      ? {
          samples: comparison.samples,
          sqnrDb: Object.fromEntries(Object.entries(sqnr).map(([name, db]) => [name, jsonDb(db)])),
          ...columnsJson(comparison),
          ...similarityJson(comparison),
          ...(comparison.agreement === undefined ? {} : { agreement: comparison.agreement, kl: comparison.kl }),
        }
      : {}),
    ...(run.recipe.qat
      ? {
          layerCounts: { total: run.kernels.length, integer: run.kernels.filter(({ integer }) => integer).length },
          ...(deployed
            ? {
                deployed: {
                  ...(deployed.agreement === undefined ? {} : { agreement: deployed.agreement }),
                  ...(deployed.metric ? { simulated: deployed.metric.before, deployed: deployed.metric.after } : {}),
                },
              }
            : {}),
        }
      : {}),
    notes: run.notes,
  }
}

/** The whole report of a fine-tuning. */
export function finetuneReport(run: FinetuneRun, runtime: Runtime): Report {
  const { recipe, tuned, comparison } = run
  const { result, scoreName, before } = tuned
  const training: TrainingRows = {
    epochs: result.history,
    losses: result.losses,
    ...(scoreName ? { scoreName } : {}),
    ...(before !== undefined && Number.isFinite(before) ? { before } : {}),
    ...(result.best ? { best: result.best.epoch } : {}),
  }
  return {
    version: 1,
    command: 'finetune',
    title: `${basename(recipe.model)} → ${basename(run.output)}`,
    createdAt: new Date().toISOString(),
    verdict: verdictOf(run),
    facts: [
      { label: 'model', value: basename(recipe.model) },
      {
        label: 'trained',
        value: `${run.trainedNumbers} numbers (${recipe.lora === undefined ? recipe.train : `adapters of rank ${recipe.lora}`}) of ${run.layers.trained} of ${run.layers.asked} layers, ${result.steps} steps of ${recipe.batch} samples`,
      },
      { label: 'step', value: `${result.stepMs.toFixed(1)} ms` },
      ...deployedFacts(run),
      { label: 'result', value: run.output },
      ...(recipe.adapters === undefined ? [] : [{ label: 'adapters', value: recipe.adapters }]),
    ],
    variants: variantsOf(run),
    outputs: comparison ? outputRows(comparison) : {},
    steps: [],
    layers: [],
    activations: [],
    training,
    notes: run.notes,
    environment: describeEnvironment(runtime),
    recipe,
    commandLine: commandLineOf(recipe),
  }
}

/** What ONNX Runtime does with a quantised result. */
function deployedFacts({ kernels, deployed, recipe }: FinetuneRun): { label: string; value: string }[] {
  if (!recipe.qat) return []
  const integer = kernels.filter((kernel) => kernel.integer).length
  const agreement = deployed?.agreement
  return [
    { label: 'integer layers', value: `${integer} of ${kernels.length}` },
    ...(agreement === undefined
      ? []
      : [{ label: 'deployed and simulated agree', value: `on ${percent(agreement)} of the samples` }]),
  ]
}

function verdictOf(run: FinetuneRun): Verdict {
  const { sizeBytes, recipe } = run
  const metric = metricOf(run)
  const figure = (value: number) => (metric?.name === 'SQNR' ? `${value.toFixed(1)} dB` : percent(value))
  const change = metric ? `${metric.name} ${figure(metric.before)} → ${figure(metric.after)}` : 'trained'
  const point = accuracyOf(run, change)
  return {
    headline: `${recipe.qat ? `trained with ${recipe.weightBits}-bit weights and ${recipe.activationBits}-bit activations` : 'fine-tuned'}: ${change}`,
    tone: point.answer === 'no' ? 'bad' : point.answer === 'yes' ? 'good' : 'mixed',
    points: [smaller({ sizeBytes }), point],
    advice: point.answer === 'no' ? ['give a smaller --lr, or more samples'] : [],
  }
}

/** As accurate? A quantised result is judged as `quantize` judges, another one by the score or by its teacher. */
function accuracyOf(run: FinetuneRun, change: string): VerdictPoint {
  const { comparison, taught, recipe, tuned } = run
  const question = 'as accurate'
  const metric = metricOf(run)
  if (!metric && !comparison) return { question, answer: 'not measured', text: 'not measured' }
  if (comparison && recipe.qat && !comparison.metric) {
    const { answer, text } = accurate({ comparison })
    const alone = metric ? `; quantised without training ${metric.before.toFixed(1)} dB` : ''
    return { question, answer, text: `${text}${alone}` }
  }
  const paired = comparison?.metric
  if (paired) {
    const answer = paired.interval.high < 0 ? 'no' : paired.interval.low < -0.02 ? 'unclear' : 'yes'
    return { question, answer, text: change }
  }
  if (comparison && !taught)
    return { question, answer: 'unclear', text: `${accurate({ comparison }).text} against the model given; no labels` }
  const against = taught ? ' against the teacher' : tuned.judged ? ` on ${tuned.judged.samples} held-back samples` : ''
  const better = metric !== undefined && metric.after >= metric.before
  return { question, answer: better ? 'yes' : 'unclear', text: `${change}${against}` }
}

function variantsOf({ comparison, sizeBytes }: FinetuneRun): VariantRow[] {
  const metric = comparison?.metric
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
  const sqnr = mainSqnr(comparison)
  return [
    { name: 'before', sizeBytes: sizeBytes.before, ...scored(metric?.before ?? 0) },
    {
      name: 'trained',
      kept: true,
      sizeBytes: sizeBytes.after,
      ...scored(
        metric?.after ?? 0,
        metric ? { difference: { value: metric.difference, interval: metric.interval } } : {},
      ),
      ...(comparison?.agreement === undefined ? {} : { agreement: comparison.agreement }),
      ...(comparison ? similarityRow(comparison) : {}),
      ...(sqnr === undefined ? {} : { sqnrDb: sqnr }),
    },
  ]
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`
