// finetune: read → share out samples → make it trainable → train with checkpoints → export → measure → write. One call is one run.
import { stat } from 'node:fs/promises'
import { report, UsageError, type Watch } from '../base/index.ts'
import { comparisonNotes } from '../metrics/index.ts'
import { readModelFile, writeFileAtomic, writeModelFile } from '../onnx/index.node.ts'
import type { Model } from '../onnx/index.ts'
import type { FinetuneRecipe } from '../recipe/index.ts'
import { fixedBatch, type Runtime } from '../runtime/index.ts'
import { finetune, type TrainableModel, type Tuned, wholeRuns } from '../train/index.ts'
import { refuseQuantized } from './already-quantized.ts'
import { Checkpoint } from './finetune/checkpoint.node.ts'
import { lossOf } from './finetune/loss.node.ts'
import { type FinetuneMeasures, measureTuned } from './finetune/measure.node.ts'
import { batchNote, notBetterNote, type TrainedLayers, trainedLayers } from './finetune/notes.ts'
import { trainingSamples } from './finetune/samples.node.ts'
import { augmentationOf, epochsOf, optimizerOf, ratesOf, scheduleOf } from './finetune/settings.ts'
import { type Training, trainableOf } from './finetune/trainable.node.ts'
import { checkOutput, defaultOutput, weightsOf } from './output.node.ts'
import { PREPROCESS_KEY, type ShareWatch, withGuessedShapes } from './samples.ts'
import { subGraphNotes } from './sub-graphs.ts'
import { workingForm } from './working-form.ts'

/** Everything a fine-tuning knows at its end. */
export interface FinetuneRun extends FinetuneMeasures {
  readonly recipe: FinetuneRecipe
  readonly output: string
  /** As it was written. */
  readonly model: Model
  readonly tuned: Tuned
  readonly layers: TrainedLayers
  readonly sizeBytes: { readonly before: number; readonly after: number }
  readonly trainedNumbers: number
  readonly notes: readonly string[]
}

/**
 * Trains a model file by a recipe and writes the result. A checkpoint lies beside the output until it is written; after an
 * interruption also the best model so far, as `<output>.best.onnx`.
 * @throws InputError, UnsupportedError, UsageError, RefusedError (memory), CancelledError
 */
export async function finetuneFile(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  watch: ShareWatch = {},
): Promise<FinetuneRun> {
  outputOf(recipe)
  report(watch, { step: 'read', done: 0, total: 1, message: recipe.model })
  const model = await readModelFile(recipe.model)
  const { size: sizeBytes } = await stat(recipe.model)
  const teacher = recipe.teacher === undefined ? undefined : await readModelFile(recipe.teacher)
  return finetuneModel(runtime, recipe, { model, sizeBytes, teacher }, watch)
}

/** Models that were read, or made, already. */
export interface FinetuneGiven {
  readonly model: Model
  readonly sizeBytes: number
  /** Absent: the model learns from itself, as it was. */
  readonly teacher?: Model | undefined
}

/** Trains a model in memory and writes the result; the recipe's `model` and `teacher` are the names that they go by. */
export async function finetuneModel(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  { model: given, sizeBytes, teacher: teaching }: FinetuneGiven,
  watch: ShareWatch = {},
): Promise<FinetuneRun> {
  const output = outputOf(recipe)
  // Biases behind Q/DQ can be trained as they are; integer operators have no gradient.
  const mixed = refuseQuantized(given, recipe.model, 'train', recipe.qat ? 'any' : 'operator')
  const form = workingForm(given, 'training')
  const { model } = form
  const teacher = teaching === undefined ? model : workingForm(teaching, 'training').model
  const samples = await trainingSamples(recipe, model, watch)
  const { dataset, sample, scoring } = samples
  const loss = await lossOf(runtime, recipe, model, { hasLabels: dataset.hasLabels, teacher, sample })
  const training = { model, samples, loss, teacher: loss.needsTeacher ? teacher : undefined }
  const trainable = await withGuessedShapes(recipe, model, sample, () => trainableOf(runtime, recipe, training, watch))
  const notes = [...model.notes, ...subGraphNotes(model), ...form.notes, ...(mixed ? [mixed] : []), scoring.note]
  const checkpoint = new Checkpoint(recipe, output, sizeBytes)
  const tuned = await train(runtime, recipe, { ...training, teacher, trainable, checkpoint, notes }, watch)
  if (dataset.preprocess) tuned.model.metadata.set(PREPROCESS_KEY, JSON.stringify(dataset.preprocess))
  const written = form.stored(tuned.model)
  const untrained = recipe.qat && tuned.kept ? trainable.exported(trainable.initial) : undefined
  const measured = {
    before: model,
    after: written,
    untrained,
    teacher,
    shapes: trainable.prepared.sampleShapes,
    scoring,
  }
  const measures = await measureTuned(runtime, recipe, measured, watch)
  notes.push(...comparisonNotes(measures.comparison))
  notes.push(...runtime.notes.splice(0), ...dataset.notes, ...trainable.notes, ...tuned.result.notes)
  if (!tuned.kept) notes.push(notBetterNote(tuned, recipe.qat))
  report(watch, { step: 'write', done: 0, total: 1, message: output })
  const result = form.asGiven(written)
  const after = await writeModelFile(result, output, weightsOf(recipe))
  const values = tuned.kept ? tuned.result.values : trainable.initial
  if (recipe.adapters !== undefined && trainable.adapterFile)
    await writeFileAtomic(recipe.adapters, trainable.adapterFile(values))
  await checkpoint.remove()
  return {
    ...{ recipe, output, model: result, ...measures },
    tuned: { ...tuned, model: written },
    sizeBytes: { before: sizeBytes, after },
    layers: trainedLayers(trainable),
    trainedNumbers: [...trainable.initial.values()].reduce((sum, array) => sum + array.length, 0),
    notes: [...new Set(notes)],
  }
}

interface Course extends Training {
  readonly trainable: TrainableModel
  readonly checkpoint: Checkpoint
  /** What there is to say is added here. */
  readonly notes: string[]
}

/** Trains, from a checkpoint where that is asked for. */
async function train(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  { model, teacher, samples, loss, trainable, checkpoint, notes }: Course,
  { progress, signal }: Watch,
): Promise<Tuned> {
  const { dataset, shares } = samples
  const each = trainable.prepared.batch
  const batch = wholeRuns(recipe.batch, each)
  if (each !== recipe.batch && fixedBatch(model) !== undefined) notes.push(batchNote(batch, each))
  const epochs = epochsOf(recipe, shares.train.length)
  const resumed = recipe.resume ? await checkpoint.read() : undefined
  if (resumed) notes.push(resumed.note)
  const material = {
    ...{ dataset, indices: shares.train },
    ...(shares.validation.length > 0 ? { validation: { dataset, indices: shares.validation } } : {}),
    ...(shares.guard.length > 0 ? { guard: { dataset, indices: shares.guard } } : {}),
  }
  const { decay, clipNorm, seed, patience } = recipe
  const settings = {
    ...{ epochs, batch, decay, clipNorm, seed, patience, teacher, progress, signal },
    rate: ratesOf(recipe, loss).rate,
    optimizer: optimizerOf(recipe),
    schedule: scheduleOf(recipe, epochs, epochs * Math.ceil(shares.train.length / batch)),
    augmentation: augmentationOf(recipe, trainable),
    resume: resumed?.state,
  }
  return checkpoint.keepBest(trainable, (save) =>
    finetune(runtime, trainable, material, { ...settings, checkpoint: save }),
  )
}

/** @throws UsageError for an output that could not be written */
function outputOf(recipe: FinetuneRecipe): string {
  const output = recipe.output ?? defaultOutput(recipe.model, suffixOf(recipe))
  const read = [recipe.model, ...(recipe.teacher === undefined ? [] : [recipe.teacher])]
  checkOutput(output, read)
  if (recipe.adapters !== undefined) {
    if (recipe.lora === undefined) throw new UsageError('--adapters writes what --lora RANK trains; give --lora')
    checkOutput(recipe.adapters, [...read, output])
  }
  return output
}

function suffixOf({ qat, weightBits }: FinetuneRecipe): string {
  return qat ? `int${weightBits}` : 'tuned'
}
