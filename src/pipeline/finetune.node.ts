// finetune: prepare → estimate memory → train with checkpoints → export → measure → write. One call is one run.
import { existsSync } from 'node:fs'
import { readFile, rm, stat } from 'node:fs/promises'
import { CancelledError, report, UsageError, type Watch } from '../base/index.ts'
import {
  batches,
  chooseSamples,
  type Dataset,
  type FixedBatch,
  joinSamples,
  readSamples,
  type SampleShares,
  shareSamples,
} from '../data/index.ts'
import { comparisonNotes } from '../metrics/index.ts'
import { readModelFile, writeFileAtomic, writeModelFile } from '../onnx/index.node.ts'
import type { Model } from '../onnx/index.ts'
import { selector, targetOf } from '../quantize/index.ts'
import { fixedBatch, type Runtime, type Values } from '../runtime/index.ts'
import {
  type Arrays,
  type Augmentation,
  type Closeness,
  cloneArrays,
  decodeState,
  encodeState,
  finetune,
  floatTrainee,
  type Parameter,
  quantTrainee,
  relativeRates,
  type Trainee,
  type TrainState,
  type Tuned,
  wholeRuns,
} from '../train/index.ts'
import { refuseQuantized } from './already-quantized.ts'
import { type ChosenLoss, epochsOf, lossOf, optimizerOf, ratesOf, scheduleOf } from './finetune-loss.node.ts'
import { type FinetuneMeasures, measureTuned } from './finetune-measure.node.ts'
import { refuseTooLarge } from './finetune-memory.node.ts'
import { checkOutput, defaultOutput } from './output.node.ts'
import type { FinetuneRecipe } from './recipe.ts'
import { openSamples, scoringSamples } from './samples.node.ts'
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

/** Held back by default: a tenth, at most this many, and none where a tenth would be too few to tell epochs apart. */
const MOST_HELD = 1000
const LEAST_HELD = 200

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
  report(watch, 'read', 0, 1, recipe.model)
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
  { heldBack, judged, ...watch }: ShareWatch = {},
): Promise<FinetuneRun> {
  const output = outputOf(recipe)
  // Biases behind Q/DQ can be trained as they are; integer operators have no gradient.
  const mixed = refuseQuantized(given, recipe.model, 'train', recipe.qat ? 'any' : 'operator')
  const form = workingForm(given, 'training')
  const { model } = form
  const dataset = await openSamples(recipe, model, recipe.data, {
    count: recipe.samples,
    signal: watch.signal,
  })
  const teacher = teaching === undefined ? model : workingForm(teaching, 'training').model
  const split = splitOf(dataset, recipe, heldBack)
  const { inputs: sample, fixed } = joinSamples([await dataset.sample(split.train[0] ?? 0)])
  const scoring = await scoringSamples(recipe, model, dataset, split.fit, Number.MAX_SAFE_INTEGER, {
    ...{ ...watch, judged, heldBack: split.report },
  })
  // What cannot be scored is refused before the training, not after it.
  if (recipe.val === undefined) for await (const _ of readSamples(scoring.dataset, scoring.indices, watch));
  const loss = await lossOf(runtime, recipe, model, dataset.hasLabels, { teacher, sample })
  const notes = [...model.notes, ...subGraphNotes(model), ...form.notes, ...(mixed ? [mixed] : [])]
  notes.push(scoring.note)
  const calibration = chooseSamples(split.train.length, Math.min(recipe.calibrationSamples, split.train.length)).map(
    (i) => split.train[i] ?? 0,
  )
  const parts = { loss, fixed, dataset, calibration, watch }
  const trainee = await withGuessedShapes(recipe, model, sample, () =>
    traineeOf(runtime, recipe, model, loss.needsTeacher ? teacher : undefined, sample, parts),
  )
  const each = trainee.prepared.batch
  const batch = wholeRuns(recipe.batch, each)
  if (each !== recipe.batch && fixedBatch(model) !== undefined) notes.push(batchNote(batch, each))
  const epochs = epochsOf(recipe, split.train.length)
  const checkpoint = `${output}.checkpoint`
  const fingerprint = fingerprintOf(recipe, sizeBytes)
  const resume = recipe.resume ? await readCheckpoint(checkpoint, fingerprint, notes) : undefined
  const tuned = await withBestKept(trainee, output, checkpoint, fingerprint, (save) =>
    finetune(
      runtime,
      trainee,
      {
        dataset,
        indices: split.train,
        ...(split.held.length > 0 ? { held: { dataset, indices: split.held } } : {}),
        ...(split.guard.length > 0 ? { guard: { dataset, indices: split.guard } } : {}),
      },
      {
        epochs,
        batch,
        rate: ratesOf(recipe, loss).rate,
        optimizer: optimizerOf(recipe),
        schedule: scheduleOf(recipe, epochs, epochs * Math.ceil(split.train.length / batch)),
        decay: recipe.decay,
        clipNorm: recipe.clipNorm,
        seed: recipe.seed,
        augmentation: augmentationOf(recipe, trainee),
        patience: recipe.patience,
        teacher,
        checkpoint: save,
        resume,
        ...watch,
      },
    ),
  )
  if (dataset.preprocess) tuned.model.metadata.set(PREPROCESS_KEY, JSON.stringify(dataset.preprocess))
  const written = form.stored(tuned.model)
  const untrained = recipe.qat && tuned.kept ? trainee.exported(trainee.initial) : undefined
  const measured = { before: model, after: written, untrained, teacher, shapes: trainee.prepared.sampleShapes }
  const measures = await measureTuned(runtime, recipe, measured, scoring, watch)
  notes.push(...comparisonNotes(measures.comparison))
  notes.push(...runtime.notes.splice(0), ...dataset.notes, ...trainee.notes, ...tuned.result.notes)
  if (!tuned.kept)
    notes.push(
      `training made nothing better on the held-back samples${judgedWords(tuned)}: the result is the ${recipe.qat ? 'quantised model before training' : 'model as it came'}`,
    )
  report(watch, 'write', 0, 1, output)
  const result = form.asGiven(written)
  const after = await writeModelFile(result, output)
  await rm(checkpoint, { force: true })
  await rm(bestFile(output), { force: true })
  return {
    recipe,
    output,
    model: result,
    tuned: { ...tuned, model: written },
    ...measures,
    sizeBytes: { before: sizeBytes, after },
    layers: trainedLayers(trainee),
    trainedNumbers: [...trainee.initial.values()].reduce((sum, array) => sum + array.length, 0),
    notes: [...new Set(notes)],
  }
}

/** How the two stood on the samples that judged, in brackets; '' where they were judged by a score. */
function judgedWords({ judged }: Tuned): string {
  if (!judged) return ''
  const of = ({ kl, db }: Closeness) => `${kl === undefined ? '' : `KL ${kl.toPrecision(2)}, `}SQNR ${db.toFixed(1)} dB`
  return ` (${judged.samples} samples: ${of(judged.before)} before, ${of(judged.after)} after)`
}

/** How many layers were trained. */
export interface TrainedLayers {
  readonly trained: number
  /** Layers that were asked for. */
  readonly asked: number
  /** Their names that stayed as they are, because the loss does not depend on them. */
  readonly untrained: readonly string[]
}

function trainedLayers({ graph }: Trainee): TrainedLayers {
  const names = (list: readonly Parameter[]) =>
    new Set(list.filter(({ kind }) => kind !== 'scale').map(({ node }) => node))
  const trained = names(graph.parameters)
  const untrained = [...names(graph.untrained)].filter((node) => !trained.has(node))
  return { trained: trained.size, asked: trained.size + untrained.length, untrained }
}

function batchNote(batch: number, each: number): string {
  const runs = batch / each
  return `the model takes ${each} sample${each === 1 ? '' : 's'} at a time; a step is ${runs === 1 ? 'one run' : `the gradients of ${runs} runs`}`
}

/** @throws UsageError for an output that could not be written */
function outputOf(recipe: FinetuneRecipe): string {
  const output = recipe.output ?? defaultOutput(recipe.model, suffixOf(recipe))
  checkOutput(output, [recipe.model, ...(recipe.teacher === undefined ? [] : [recipe.teacher])])
  return output
}

function suffixOf({ qat, weightBits }: FinetuneRecipe): string {
  return qat ? `int${weightBits}` : 'tuned'
}

interface TraineeParts {
  readonly loss: ChosenLoss
  readonly fixed: FixedBatch | undefined
  readonly dataset: Dataset
  readonly calibration: readonly number[]
  readonly watch: Watch
}

async function traineeOf(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  model: Model,
  teacher: Model | undefined,
  sample: Values,
  { loss, fixed, dataset, calibration, watch }: TraineeParts,
): Promise<Trainee> {
  const make = async (batch: number): Promise<Trainee> => {
    const selected = recipe.only.length > 0 ? selector(recipe.only, model.graph.nodes, '--only') : () => true
    const common = {
      train: recipe.train,
      selected,
      batch,
      fixed,
      loss: loss.terms,
      teacher,
      label: recipe.model,
      ...watch,
    }
    if (recipe.qat && recipe.batchNorm === 'training')
      throw new UsageError(
        '--qat trains the layers with BatchNorm folded into them, on the grids that the file will have; leave --batch-norm training out, or train the float model with it first',
      )
    if (recipe.qat)
      return quantTrainee(runtime, model, sample, {
        ...common,
        relativeRates: ratesOf(recipe, loss).relative,
        weightBits: recipe.weightBits,
        activationBits: recipe.activationBits,
        storage: recipe.weightStorage,
        quantize: {
          target: targetOf(recipe.target),
          weights: recipe.weights,
          exclude: recipe.exclude,
          ...(recipe.keep8bit.length > 0 ? { keep8bit: recipe.keep8bit } : {}),
        },
        calibration: (prepared) => {
          const size = fixedBatch(prepared.model) ?? 8
          const read = readSamples(dataset, calibration, { signal: watch.signal })
          return { batches: batches(read, size), total: calibration.length }
        },
      })
    const trainee = await floatTrainee(runtime, model, sample, {
      ...common,
      batchNorm: recipe.batchNorm ?? (recipe.fromScratch ? 'training' : 'frozen'),
      fromScratch: recipe.fromScratch ? recipe.seed : undefined,
    })
    if (!ratesOf(recipe, loss).relative) return trainee
    return { ...trainee, rateOf: relativeRates(trainee.prepared.model, trainee.graph.parameters, trainee.initial) }
  }
  // A graph for one sample tells what a batch will take, before anything of that size is run.
  const single = await make(1)
  refuseTooLarge(single.graph, recipe, single.initial)
  return fixedBatch(model) === undefined && recipe.batch > 1 ? make(recipe.batch) : single
}

/** @throws UsageError when blended samples would need labels */
function augmentationOf({ flip, shift, mix }: FinetuneRecipe, { graph }: Trainee): Augmentation | undefined {
  if (mix && graph.needs.labels)
    throw new UsageError('a blend of two samples has no label: --mix needs a loss without labels, --loss distill')
  return flip || mix || shift > 0 ? { flip, shift, mix } : undefined
}

/** Share of a small set that judges a quantised result: one in so many, at least some of them. */
const GUARD_SHARE = 8
const LEAST_GUARDS = 2
const LEAST_GUARDED = 8

interface Split extends SampleShares {
  readonly train: number[]
  /** Held back to choose the best epoch. */
  readonly held: number[]
  /** Held back to compare a quantised result with what it was before, where `held` would be too few. */
  readonly guard: number[]
}

/** Which samples are trained on, and which are held back. */
function splitOf(dataset: Dataset, recipe: FinetuneRecipe, heldBack: readonly number[] | undefined): Split {
  const separate = recipe.val !== undefined
  const shares = shareSamples(dataset.size, recipe.samples ?? dataset.size, { separate, heldBack })
  const all = shares.fit
  const total = all.length
  const tenth = Math.floor(total / 10)
  const count = recipe.holdBack ?? (tenth < LEAST_HELD ? 0 : Math.min(MOST_HELD, tenth))
  const guarded = recipe.qat && recipe.holdBack === undefined && count === 0 && total >= LEAST_GUARDED
  const number = guarded ? Math.max(LEAST_GUARDS, Math.floor(total / GUARD_SHARE)) : Math.min(count, total - 1)
  const kept = new Set(chooseSamples(all.length, number))
  const back = all.filter((_, i) => kept.has(i))
  return { ...shares, train: all.filter((_, i) => !kept.has(i)), held: guarded ? [] : back, guard: guarded ? back : [] }
}

/** What must be the same for a training to be resumed. */
function fingerprintOf(recipe: FinetuneRecipe, size: number): string {
  const { resume: _resume, output: _output, memory: _memory, threads: _threads, ...rest } = recipe
  return JSON.stringify({ ...rest, size })
}

async function readCheckpoint(file: string, fingerprint: string, notes: string[]): Promise<TrainState | undefined> {
  if (!existsSync(file)) {
    notes.push(`there was no checkpoint ${file}; the training began from the start`)
    return undefined
  }
  const state = decodeState(new Uint8Array(await readFile(file)), fingerprint, file)
  notes.push(`resumed after ${state.epoch} epochs and ${state.step} steps`)
  return state
}

/** Where the best model so far goes when a training is interrupted. */
function bestFile(output: string): string {
  return `${output.replace(/\.onnx$/, '')}.best.onnx`
}

/** Runs a training whose states are saved; an interruption also leaves the best model so far. */
async function withBestKept(
  trainee: Trainee,
  output: string,
  checkpoint: string,
  fingerprint: string,
  work: (save: (state: TrainState) => Promise<void>) => Promise<Tuned>,
): Promise<Tuned> {
  let best: Arrays | undefined
  const save = async (state: TrainState): Promise<void> => {
    best = cloneArrays(state.best?.values ?? state.values)
    await writeFileAtomic(checkpoint, encodeState(state, fingerprint))
  }
  try {
    return await work(save)
  } catch (error) {
    if (error instanceof CancelledError && best) {
      const file = bestFile(output)
      await writeModelFile(trainee.exported(best), file)
      throw new CancelledError(`interrupted; the best model so far is ${file}, --resume goes on from ${checkpoint}`)
    }
    throw error
  }
}
