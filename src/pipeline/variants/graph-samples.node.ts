// Samples for one graph of several: those that are named after it, else those of the command; random ones where they do not fit.
import { readdir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { InputError, messageOf, type Watch } from '../../base/index.ts'
import { type Dataset, shareSamples } from '../../data/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { QuantizeRecipe, SampleRecipe } from '../../recipe/index.ts'
import type { CalibrationSamples } from '../quantize/calibration-samples.ts'
import { calibrationSamples } from '../quantize/quantize-model.ts'
import { openSamples, scoringSamples } from '../samples.node.ts'
import type { Scoring } from '../samples.ts'
import { RANDOM, samplesOfDecoder } from './decoder-family.node.ts'
import type { GraphFile, Job } from './job.ts'

/** The samples of one graph. */
export interface GraphSamples {
  /** What its recipes say: a path, or random. */
  readonly data: string
  readonly dataset: Dataset
  readonly notes: readonly string[]
  /** They were made here: there are no others to score on. */
  readonly made?: true
}

/** Samples that are scored, at most. */
const SCORED = 256

/** @throws InputError when the samples fit no graph, and there is only this one */
export async function samplesOfGraph(job: Job, graph: GraphFile, model: Model): Promise<GraphSamples> {
  const { recipe, alone, watch } = job
  const { name, file } = graph
  const of = { ...recipe, model: file }
  const random = async (notes: readonly string[]) => {
    const dataset = await openSamples(of, model, 'random', { count: RANDOM, signal: watch.signal })
    return { data: 'random', dataset, notes }
  }
  if (recipe.data === 'random') {
    const note = `${name}: nothing was fitted to samples, and figures on random inputs say little of those on real ones; give some with --data`
    const made = await samplesOfDecoder(job, graph, model)
    return typeof made === 'object'
      ? { data: 'random', dataset: made.dataset, notes: [note, ...made.notes] }
      : random([note])
  }
  const own = await namedAfter(recipe.data, name)
  const data = own ?? recipe.data
  const made = own === undefined ? await samplesOfDecoder(job, graph, model) : undefined
  if (typeof made === 'object') return { data, ...made, made: true }
  const why = made === undefined ? '' : `its samples could not be made (${made}); `
  try {
    const dataset = await openSamples(of, model, data, watch)
    return { data, dataset, notes: why === '' ? [] : [`${name}: ${why}samples are taken as they are`] }
  } catch (error) {
    if (alone || !(error instanceof InputError)) throw error
    return random([
      `${name}: ${why}${data} has no samples for it (${messageOf(error)}), so nothing was fitted and figures are of random inputs; a folder given with --data may hold ${name}.npy or ${name}.mjs`,
    ])
  }
}

/** What lies in a folder of samples under the name of a graph. */
async function namedAfter(data: string, graph: string): Promise<string | undefined> {
  if (!(await stat(data).catch(() => undefined))?.isDirectory()) return undefined
  const found = (await readdir(data)).find((entry) => basename(entry, extname(entry)) === graph)
  return found === undefined ? undefined : join(data, found)
}

/** The samples of a graph, shared out between its quantisations, which share what they read, and what is scored. */
export class SampleShares {
  readonly #known = new Map<string, CalibrationSamples>()
  readonly #given: GraphSamples
  readonly #watch: Watch
  /** Kept from every fit. */
  readonly heldBack: readonly number[]

  constructor(given: GraphSamples, most: number, separate: boolean, watch: Watch) {
    this.#given = given
    this.#watch = watch
    this.heldBack = shareSamples(given.dataset.size, most, { separate: separate && !given.made }).report
  }

  /** What a quantisation fits to. */
  fit(recipe: QuantizeRecipe): CalibrationSamples {
    const key = `${recipe.samples} ${recipe.weightBits < 8}`
    const known = this.#known.get(key) ?? calibrationSamples(recipe, this.#given.dataset, this.#watch, this.heldBack)
    this.#known.set(key, known)
    return known
  }

  /** What is scored: samples of their own, those that were kept, or all of the random ones. */
  async scoring(recipe: SampleRecipe & { readonly val?: string }, model: Model): Promise<Scoring> {
    const { data, dataset } = this.#given
    if (data === 'random')
      return { dataset, indices: Array.from({ length: dataset.size }, (_, index) => index), note: '' }
    const { val, ...without } = recipe
    const of = this.#given.made ? without : recipe
    const options = { ...this.#watch, limit: SCORED, heldBack: this.heldBack }
    return scoringSamples(of, model, { dataset, indices: [] }, options)
  }
}
