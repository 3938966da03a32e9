// Weights and activations as integers: where evidence comes from, which techniques are tried on it, and what is kept of the search.
import type { Model } from '../../onnx/index.ts'
import {
  floatLayers,
  layersIn,
  type Placement,
  place,
  type QuantizeOptions,
  sharedCodesUnsigned,
  tablesOf,
} from '../../quantize/index.ts'
import { type QuantizeRecipe, type TechniqueName, techniqueNames } from '../../recipe/index.ts'
import { type Outliers, observeModel, randomLike } from '../../rewrite/index.ts'
import { runtimeProducts, typesOf } from '../../runtime/index.ts'
import { batchNormSource } from './batch-norm-source.ts'
import { type CheckedRanges, checkRanges } from './checked-ranges.ts'
import { embeddingNotes } from './embedding-notes.ts'
import { encodingsSource } from './encodings-source.ts'
import { storedTensors } from './evidence.ts'
import { knownRanges } from './float-choices.ts'
import { type ModeJob, needsSamples, type Produced } from './mode.ts'
import { placedByTime } from './placed-by-time.ts'
import { slowNodeReasons } from './prefer-speed.ts'
import { promises } from './promises.ts'
import { Raiser } from './raise.ts'
import { samplesSource } from './samples-source.ts'
import { type Found, search } from './search.ts'
import { sharedOr } from './shared-work.ts'
import { storedSource } from './stored-source.ts'
import type { StoredStatistics } from './stored-statistics.ts'
import type { Source } from './technique.ts'
import { defaultTechniques } from './technique-names.ts'
import { techniquesOf } from './techniques/index.ts'
import { separateOutliersTechnique } from './techniques/separate-outliers.ts'

export async function quantizeStatic(job: ModeJob): Promise<Produced> {
  const { options, speed, untouched } = await placedByTime(job)
  const made = untouched ?? (await quantizeAll({ ...job, options }, { written: sharedCodesUnsigned }))
  return speed ? { ...made, speed } : made
}

/** What another mode has of its own. */
interface OwnForm {
  /** What becomes of the Q/DQ model that the search works on, in every candidate and in the end. */
  readonly written: (model: Model) => Model
  /** Stands for samples where there are none. */
  readonly withoutData?: Source
}

export async function quantizeAll(job: ModeJob, form: OwnForm): Promise<Produced> {
  const { recipe, material } = job
  const found = await sharedOr(material.shared, 'search', recipe, () => searched(job, form))
  const made = produced(job, found, form.written)
  return promises(job.recipe) && job.recipe.mode === 'static'
    ? { ...made, raise: raising(job, found, made, form.written) }
    : made
}

/** More bits where they matter, for a promise. */
function raising(
  { runtime, recipe, options, material: { samples }, watch }: ModeJob,
  found: Found,
  made: Produced,
  written: OwnForm['written'],
): NonNullable<Produced['raise']> {
  const { best, built } = found
  let raiser: Raiser | undefined
  return async (gainDb) => {
    const validation = (await samples.split()).filter((each) => each.validation)
    raiser ??= new Raiser({
      runtime,
      float: best.float,
      shapes: best.seen.shapes,
      built,
      options,
      few: recipe.weightStorage === 'int4',
      validation,
      written,
      watch,
    })
    const raised = await raiser.by(gainDb)
    if (!raised) return undefined
    const { bits, values, plan } = raised
    const reason = 'left in float for what was promised'
    const floats = layersIn(best.float, made.plan?.placement.layers ?? new Set()).filter(
      ({ name }) => !plan.weights.has(name),
    )
    return {
      ...made,
      quantized: written(raised.model),
      plan,
      float: [...made.float, ...floats.map(({ name }) => ({ name, reason }))],
      raised: { bits, values },
    }
  }
}

async function searched(job: ModeJob, { written, withoutData }: OwnForm): Promise<Found> {
  const { runtime, recipe, options, model, statistics, material, first, notes, watch } = job
  const { samples, stored, withSpill = (work) => work(undefined), freeMemory } = material
  const placement = place(model, options, typesOf(model))
  notes.push(
    ...withoutPlace(options, placement),
    ...embeddingNotes(tablesOf(model.graph, placement.embeddings)),
    ...nothingToQuantize(placement),
  )
  const named = material.encodings
    ? (recipe.techniques ?? []).filter((name) => name !== 'none')
    : namedTechniques(recipe)
  const fast = recipe.effort === 'fast' || placement.layers.size === 0
  if (named.includes('tune-bias')) notes.push(...whyUntuned(job))
  const checked = needsSamples(recipe)
    ? await checkRanges(
        runtime,
        { model, shapes: job.shapes },
        { source: { samples, withValidation: fast }, options },
        watch,
      )
    : undefined
  notes.push(...(checked?.notes ?? []))
  // Looked at once more: of values that a rewrite added the batch axis is not known yet.
  const seen = await observeModel(runtime, model, { feeds: first, random: randomLike(first) }, { label: recipe.model })
  const products = runtimeProducts(runtime)
  try {
    const found = await withSpill((spill) =>
      search(runtime, { float: model, seen, statistics }, withoutData ?? sourceOf(job, named, fast, checked), {
        ...watch,
        quantize: checked?.options ?? withStored(options, stored),
        techniques: techniquesOf(stored ? techniqueNames : fast && needsSamples(recipe) ? [] : named),
        keep: recipe.keep,
        clip: recipe.clip,
        prefer: recipe.prefer,
        seed: recipe.seed,
        label: recipe.model,
        products,
        written,
        ...(spill ? { spill } : {}),
        ...(freeMemory ? { memory: freeMemory() } : {}),
      }),
    )
    notes.push(...found.notes)
    return found
  } finally {
    await products.close()
  }
}

function namedTechniques(recipe: QuantizeRecipe): readonly TechniqueName[] {
  const named = recipe.techniques
    ? techniqueNames.filter((name) => recipe.techniques?.includes(name))
    : defaultTechniques(recipe)
  return recipe.tune === 'bias' ? [...named, 'tune-bias'] : named
}

/** Samples; without them what was stored of some; without that BatchNormalization's statistics. */
function sourceOf(
  { recipe, options, material: { samples, stored, inputs } }: ModeJob,
  named: readonly TechniqueName[],
  fast: boolean,
  checked: CheckedRanges | undefined,
): Source {
  if (needsSamples(recipe))
    return samplesSource(samples, {
      judges: !fast,
      ...(fast && checked ? { ranges: knownRanges(checked.planned) } : {}),
    })
  if (options.given?.namesValues) return encodingsSource(options.given.file)
  return stored ? storedSource(stored, recipe.model) : batchNormSource(inputs, named.includes('correct-bias'))
}

/** Grids that are given and that nothing here has. */
function withoutPlace({ given }: QuantizeOptions, { tensors }: Placement): string[] {
  const left = [...(given?.activations.keys() ?? [])].filter((value) => !tensors.has(value))
  if (left.length === 0) return []
  const some = `${left.slice(0, 3).join(', ')}${left.length > 3 ? ', …' : ''}`
  return [
    `${left.length} encodings of ${given?.file} are not used: nothing is rounded in front of an activation that is fused, and values stay float that no integer operator reads or makes (${some})`,
  ]
}

function nothingToQuantize({ layers, stored }: Placement): string[] {
  return layers.size + stored.size > 0
    ? []
    : [
        'no layer of the main graph can be quantised, so the result is the float model; layers inside If, Loop or Scan are left as they are',
      ]
}

function whyUntuned({ recipe, material: { stored } }: ModeJob): string[] {
  if (!needsSamples(recipe)) return stored ? [] : [untuned('there are no samples')]
  return recipe.effort === 'fast' ? [untuned('--effort fast tries nothing and measures nothing')] : []
}

/** Why biases were not trained. */
export const untuned = (reason: string): string => `bias tuning was left out: ${reason}`

function withStored(options: QuantizeOptions, stored: StoredStatistics | undefined): QuantizeOptions {
  const { minmaxValues, slowNodes } = stored ?? {}
  return {
    ...options,
    ...(minmaxValues ? { minmaxValues: new Set(minmaxValues) } : {}),
    ...(slowNodes ? { slowNodes: slowNodeReasons(slowNodes) } : {}),
  }
}

function produced(
  { recipe, model, shapes, material, first }: ModeJob,
  found: Found,
  written: OwnForm['written'],
): Produced {
  const { best, built, naive, rows, rewrites } = found
  const judged = naive !== undefined
  const outliers = outliersIn(best, material.stored)
  const shifts = best.corrections.flatMap(({ name, bias }) =>
    bias ? [[name, { before: bias.before, after: bias.after }] as const] : [],
  )
  return {
    quantized: written(built.model),
    plan: built.plan,
    floatModel: best.float,
    shapes: best.seen.shapes,
    float: floatLayers(best.float, built.plan.placement),
    rewrites,
    ...(judged ? { ladder: rows } : {}),
    ...(needsSamples(recipe) ? { statistics: statisticsIn(material.samples.dataset.preprocess, first, found) } : {}),
    ...(judged && best.unequalized ? { originalFolded: best.unequalized } : {}),
    ...(judged && naive.model !== built.model
      ? { naive: { float: model, quantized: written(naive.model), shapes } }
      : {}),
    inputChannels: found.channels,
    ...(outliers ? { outliers } : {}),
    ...(shifts.length > 0 ? { meanShift: new Map(shifts) } : {}),
  }
}

/** What was kept of the channels that were looked at; stored evidence was applied as it stands. */
function outliersIn({ applied, evidence }: Found['best'], stored: StoredStatistics | undefined): Outliers | undefined {
  const { name, evidence: form } = separateOutliersTechnique
  const given = evidence[name] ?? (applied.includes(name) ? stored?.evidence[name] : undefined)
  return form?.safeParse(given).data
}

function statisticsIn(
  preprocess: object | undefined,
  first: ModeJob['first'],
  { best: { quantize, evidence }, built }: Found,
): StoredStatistics {
  return {
    kind: 'onnxpress-statistics',
    version: 2,
    inputs: Object.fromEntries(Object.entries(first).map(([name, { dims }]) => [name, dims])),
    ...(preprocess ? { preprocess: { ...preprocess } } : {}),
    ...(quantize.slowNodes ? { slowNodes: [...quantize.slowNodes.keys()] } : {}),
    ...(quantize.minmaxValues ? { minmaxValues: [...quantize.minmaxValues] } : {}),
    evidence,
    tensors: storedTensors(built.statistics),
  }
}
