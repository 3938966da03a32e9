// From a float model and samples – or what is known instead of them – to the quantised model. Runs wherever a Runtime does.
import { throwIfCancelled, UsageError } from '../../base/index.ts'
import type { Model } from '../../onnx/index.ts'
import { givenGrids, storeInt4 } from '../../quantize/index.ts'
import type { QuantizeRecipe } from '../../recipe/index.ts'
import { applyRewrites } from '../../rewrite/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { refuseQuantized } from '../already-quantized.ts'
import { batchSizeFor, PREPROCESS_KEY, withGuessedShapes } from '../samples.ts'
import { subGraphNotes } from '../sub-graphs.ts'
import { quantizeDynamic } from './dynamic-mode.ts'
import { inHalf, quantizeFloat16 } from './float16-mode.ts'
import type { Material, ModeJob, NotedWatch, Produced } from './mode.ts'
import { blockOf, optionsFor, passesFor } from './options-for.ts'
import { promises } from './promises.ts'
import { sharedOr } from './shared-work.ts'
import { quantizeStatic } from './static-mode.ts'
import { quantizeWeightsAlone } from './weights-only.ts'

/** What each mode does with a rewritten float model. A new mode is its file and a line here. */
const modes: Readonly<Record<QuantizeRecipe['mode'], (job: ModeJob) => Promise<Produced>>> = {
  static: quantizeStatic,
  dynamic: quantizeDynamic,
  float16: quantizeFloat16,
  weights: quantizeWeightsAlone,
}

/**
 * Quantises a model in memory by a recipe; the written file is `writeModel` of the result.
 * @throws InputError, UnsupportedError, UsageError, RefusedError, CancelledError
 */
export async function produceQuantized(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  material: Material,
  { notes, ...watch }: NotedWatch,
): Promise<Produced> {
  checkWords(recipe)
  const { original, samples } = material
  const mixed = refuseQuantized(original, recipe.model, 'quantise')
  if (mixed) notes.push(mixed)
  const first = await samples.first()
  const { applied, ...rewritten } = await sharedOr(material.shared, 'rewrite', recipe, () =>
    withGuessedShapes(recipe, original, first, () =>
      applyRewrites(runtime, { model: original, feeds: first }, passesFor(recipe, material.encodings), {
        ...watch,
        label: recipe.model,
      }),
    ),
  )
  samples.batchSize = batchSizeFor(rewritten.model, rewritten.shapes)
  notes.push(...original.notes, ...subGraphNotes(original))
  const { encodings } = material
  const found = optionsFor(rewritten.model, recipe, notes, encodings)
  const models = { given: original, model: rewritten.model, label: recipe.model }
  const options = encodings ? { ...found, given: givenGrids(encodings, models, found.target, notes) } : found
  const job = { runtime, recipe, options, ...rewritten, material, first, notes, watch }
  const made = await modes[recipe.mode](job)
  const halved = recipe.float16 ? await inHalf(job, made.quantized) : undefined
  const quantized = halved?.quantized ?? (recipe.weightStorage === 'int4' ? inInt4(made, notes) : made.quantized)
  const asWritten = halved?.asWritten ?? made.asWritten
  // What the samples assumed is known now that they were read.
  const preprocess = material.stored ? material.stored.preprocess : samples.dataset.preprocess
  if (preprocess)
    for (const each of [quantized, asWritten]) each?.metadata.set(PREPROCESS_KEY, JSON.stringify(preprocess))
  throwIfCancelled(watch.signal)
  const float = [...made.float, ...(halved?.float ?? [])]
  return { ...made, quantized, ...(asWritten ? { asWritten } : {}), float, rewrites: [...applied, ...made.rewrites] }
}

/** @throws UsageError for options that say nothing in this mode, or promise what nothing measures */
function checkWords(recipe: QuantizeRecipe): void {
  if (recipe.rounding !== undefined && blockOf(recipe) === undefined)
    throw new UsageError(
      '--rounding is about weights alone in blocks (--mode weights --weight-bits 4, or --block); elsewhere --techniques says what is tried',
    )
  if (recipe.float16 && recipe.mode !== 'weights')
    throw new UsageError('--float16 is about what --mode weights leaves; for a model in float16 say --mode float16')
  if (recipe.weightForm === 'bnb4' && (recipe.mode !== 'weights' || recipe.weightBits !== 4))
    throw new UsageError('--weight-form bnb4 is a form of 4-bit weights: say --mode weights --weight-bits 4')
  if (recipe.weightForm === 'bnb4' && recipe.embeddings === 4)
    throw new UsageError('--weight-form bnb4 has no form for tables: give --embeddings 8 or float')
  if (recipe.weightForm === 'bnb4' && (recipe.rounding ?? 'plain') !== 'plain')
    throw new UsageError(
      `--weight-form bnb4 has codes of its own, the nearest of sixteen numbers: leave out --rounding ${recipe.rounding}`,
    )
  checkEncodings(recipe)
  const half = recipe.weightStorage.endsWith('float16')
  if (half && recipe.mode !== 'float16')
    throw new UsageError(`--weight-storage ${recipe.weightStorage} is a form of --mode float16`)
  if (recipe.ioType === 'float16' && !(recipe.float16 || (recipe.mode === 'float16' && !half)))
    throw new UsageError('--io-type float16 is about models that compute in float16 (--mode float16, or --float16)')
  if (recipe.prefer !== 'size' && recipe.mode !== 'static')
    throw new UsageError(
      `--prefer ${recipe.prefer} chooses between integers and float (--mode static); in --mode ${recipe.mode} there is no such choice`,
    )
  if (recipe.prefer === 'speed' && recipe.force)
    throw new UsageError('--prefer speed keeps what is faster, and --force writes what is not: leave one of them out')
  if (recipe.batch > 1 && recipe.prefer !== 'speed')
    throw new UsageError('--batch says for how many samples in a run --prefer speed chooses')
  if (recipe.embeddings === 4 && recipe.mode !== 'weights')
    throw new UsageError('--embeddings 4 is about weights alone (--mode weights); integer layers go with 8 bits')
  const unmeasured = recipe.effort === 'fast' || (recipe.data === 'none' && recipe.val === undefined)
  if (promises(recipe) && unmeasured)
    throw new UsageError(
      `--min-sqnr, --min-agreement and --max-drop promise what is measured, and ${recipe.effort === 'fast' ? '--effort fast measures nothing' : 'without samples nothing is; give some with --data or --val'}`,
    )
}

/** Techniques that keep grids as they are. */
const KEEPS_GRIDS: readonly string[] = ['none', 'correct-bias']

/** @throws UsageError for options that have nothing to do with grids of values, or would change those that are given */
function checkEncodings({ encodings, encodingsFrom, mode, techniques = [], tune }: QuantizeRecipe): void {
  if (encodings === undefined && encodingsFrom === undefined) return
  const option = encodingsFrom === undefined ? `--encodings ${encodings}` : '--encodings-from'
  if (mode !== 'static') throw new UsageError(`${option} is about grids of values, and --mode ${mode} has none`)
  const changes = techniques.find((name) => !KEEPS_GRIDS.includes(name)) ?? (tune && '--tune')
  if (encodingsFrom !== undefined && changes)
    throw new UsageError(
      `--encodings-from takes grids as they are, and ${changes} would change them, or the values that they are for: of the techniques only correct-bias goes with it`,
    )
}

function inInt4({ plan, quantized }: Produced, notes: string[]): Model {
  if (!plan || ![...plan.weightBits.values()].includes(4)) return quantized
  notes.push(
    '4-bit codes are stored as int4: the file is smaller, and ONNX Runtime computes these layers in float; --weight-storage int8 keeps the integer kernels',
  )
  return storeInt4(quantized, plan)
}
