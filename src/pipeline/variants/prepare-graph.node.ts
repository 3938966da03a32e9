// A float graph with everything that its forms share: samples, answers, and work that is done once.
import { stat } from 'node:fs/promises'
import { report } from '../../base/index.ts'
import { feedsOf } from '../../data/index.ts'
import { readModelFile } from '../../onnx/index.node.ts'
import type { Model } from '../../onnx/index.ts'
import { observeShapes } from '../../runtime/index.ts'
import { refuseQuantized } from '../already-quantized.ts'
import { SharedWork } from '../quantize/shared-work.ts'
import { withGuessedShapes } from '../samples.ts'
import { subGraphNotes } from '../sub-graphs.ts'
import { workingForm } from '../working-form.ts'
import { branchesOf } from './branches.ts'
import { quantizeRecipeOf } from './dtypes.ts'
import { SampleShares, samplesOfGraph } from './graph-samples.node.ts'
import type { GraphFile, Job } from './job.ts'
import { type Reference, referenceOf } from './reference.ts'

export interface PreparedGraph extends GraphFile {
  readonly sizeBytes: number
  /** In a form that can be worked on. */
  readonly original: Model
  /** Gives a result the inputs and outputs of the file. */
  readonly asGiven: (model: Model) => Model
  /** What its recipes say of samples. */
  readonly data: string
  readonly shares: SampleShares
  readonly reference: Reference
  readonly shared: SharedWork
}

/**
 * Reads a graph, shares out its samples, and runs it on those that are scored.
 * @throws InputError, UnsupportedError when it is quantised already, or does not run
 */
export async function prepareGraph(job: Job, graph: GraphFile): Promise<PreparedGraph> {
  const { recipe, runtimes, alone, notes, watch } = job
  const { name, file } = graph
  report(watch, { step: 'read', done: 0, total: 1, message: file })
  const given = await readModelFile(file)
  refuseQuantized(given, file, 'quantise')
  const form = workingForm(given, 'inference')
  const { model: original, asGiven } = form
  const samples = await samplesOfGraph(job, graph, original)
  const { data, dataset } = samples
  const wanted = recipe.dtypes.map((dtype) => quantizeRecipeOf(recipe, file, data, dtype).samples)
  const shares = new SampleShares(samples, Math.max(...wanted), recipe.val !== undefined, watch)
  const scoring = await shares.scoring({ ...recipe, model: file }, original)
  const first = await feedsOf(scoring.dataset, scoring.indices[0] ?? 0)
  const shapes = await withGuessedShapes({ ...recipe, data }, original, first, () =>
    observeShapes(runtimes[0], original, first, file),
  )
  report(watch, { step: 'reference', done: 0, total: 1, message: name })
  const reference = await referenceOf(runtimes[0], { model: original, shapes }, scoring, watch)
  // The branches of a merged decoder are taken apart where samples run through both.
  const left = branchesOf(original) ? [] : subGraphNotes(original)
  notes.push(...form.notes, ...samples.notes, ...original.notes, ...left, ...dataset.notes)
  if (data !== 'random') notes.push(`${alone ? '' : `${name}: `}${scoring.note}`)
  const { size: sizeBytes } = await stat(file)
  return { ...graph, sizeBytes, original, asGiven, data, shares, reference, shared: new SharedWork() }
}
