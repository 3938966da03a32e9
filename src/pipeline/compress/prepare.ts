// From a model and samples to the problem that methods work on: rewritten, surveyed, its samples read, dead channels gone.
import { UsageError, type Watch } from '../../base/index.ts'
import { type CompressibleLayer, type LayerSurvey, surveyLayers } from '../../compress/index.ts'
import { type Batch, fullBatches } from '../../data/index.ts'
import { type Model, writeModel } from '../../onnx/index.ts'
import {
  type AppliedRewrite,
  type AppliedRewrites,
  applyRewrites,
  openHeads,
  workingPasses,
} from '../../rewrite/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { memoryCache } from '../../search/index.ts'
import { workingForm } from '../working-form.ts'
import { blockShortcuts } from './blocked-shortcuts.ts'
import { contentOf } from './content.ts'
import { costOfModel, freeChannels } from './dead-channels.ts'
import { refuseNonFinite } from './finite-samples.ts'
import type { CompressModelOptions } from './options.ts'
import type { CompressSamples, Limits, Problem } from './problem.ts'

export interface Prepared {
  readonly problem: Problem
  readonly rewrites: readonly AppliedRewrite[]
  readonly notes: readonly string[]
}

/** Prepares a compression. @throws UsageError for a layer to keep that does not exist, InputError for samples that are not finite */
export async function prepare(
  { runtime, products }: Pick<Problem, 'runtime' | 'products'>,
  given: Model,
  samples: CompressSamples,
  options: CompressModelOptions,
): Promise<Prepared> {
  const { budget, host = {}, label = 'the model', progress, signal } = options
  const watch: Watch = { progress, signal }
  const form = options.form ?? workingForm(given, 'inference')
  const original = form.model
  const { sample } = samples
  const cache = host.memory?.cache ?? memoryCache()
  const content = [writeModel(given)]
  const plain = await applyRewrites(runtime, { model: original, feeds: sample }, [...workingPasses, openHeads], {
    ...watch,
    label,
  })
  const machine = `${nameOf(runtime)} ${host.machine?.name ?? ''}`
  const key = (parts: Iterable<string | Uint8Array>) => `${host.memory?.digest(parts) ?? ''} ${nameOf(runtime)}`
  const rewritten =
    budget.looksAt === 'times'
      ? await blockShortcuts({ runtime, original, sample, cache, key: `${key(content)}|${machine}`, ...watch }, plain)
      : plain
  const limits = limitsOf(options, rewritten)
  const batches = await fitBatches(samples, rewritten, watch)
  const fit = batches.map((batch) => batch.inputs)
  await refuseNonFinite(runtime, rewritten, batches, watch)
  const kept = { model: rewritten.model, shapes: rewritten.shapes, notes: [], applied: [] }
  const freed = options.keepDead
    ? kept
    : await freeChannels(runtime, rewritten, { fit, sample }, { ...limits, ...watch })
  const { model, shapes } = freed
  const survey = surveyLayers(model, shapes)
  const problem: Problem = {
    ...{ runtime, products, host, label, original, form, model, shapes, survey, sample, batches, fit, cache },
    ...{ ...limits, ...watch },
    whole: rewritten,
    wholeCost: costOfModel(rewritten.model, rewritten.shapes, budget.cost),
    cost: budget.cost,
    layers: layersLeft(survey, limits),
    judge: samples.judge,
    key: key([...content, writeModel(model), ...contentOf(batches)]),
    preprocess: options.preprocess,
  }
  return {
    problem,
    rewrites: [...rewritten.applied, ...freed.applied],
    notes: [...original.notes, ...form.notes, ...freed.notes],
  }
}

const nameOf = ({ name, version, threads }: Runtime) => `${name} ${version} ${threads}`

function limitsOf(options: CompressModelOptions, { model, shapes }: AppliedRewrites): Limits {
  const { budget, host, plain = false, seed = 0, multiple = 1 } = options
  const { layers, left } = surveyLayers(model, shapes)
  const names = [...layers, ...left].map((layer) => layer.name)
  const keepLayers = new Set(options.keepLayer)
  for (const name of keepLayers)
    if (!names.includes(name))
      throw new UsageError(`--keep-layer ${name}: there is no such layer; the layers are ${names.join(', ')}`)
  // A rank or a width that fills no whole block of channels costs as one that does, and a change of layout besides.
  const block = budget.looksAt === 'times' && multiple === 1 ? host?.machine?.block : undefined
  return { keepLayers, plain, seed, multiple: block ?? multiple }
}

async function fitBatches(
  { fit }: CompressSamples,
  { model, shapes }: AppliedRewrites,
  watch: Watch,
): Promise<readonly Batch[]> {
  const read: Batch[] = []
  for await (const batch of fit.batches(model, shapes, watch)) read.push(batch)
  return fullBatches(read)
}

function layersLeft({ layers }: LayerSurvey, { keepLayers }: Limits): CompressibleLayer[] {
  return layers.filter((layer) => !keepLayers.has(layer.name))
}
