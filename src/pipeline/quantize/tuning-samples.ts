// The samples of bias tuning: also those that nothing was fitted to yet, and more judges than other techniques have.
import { type Dataset, type Sample, samplesIn } from '../../data/index.ts'
import type { CalibrationSamples, SplitBatch } from './calibration-samples.ts'

export interface TuningSamples {
  readonly dataset: Dataset
  readonly indices: readonly number[]
  /** What judges, as batches that are held back. */
  readonly judges: readonly SplitBatch[]
}

/** Samples outside the split that are used, at most. */
const MOST_OUTSIDE = 256
/** Every fourth of them judges. */
const VALIDATION_EVERY = 4

/** @param everything nothing is judged any more: all samples are trained on */
export async function tuningSamples(samples: CalibrationSamples, everything: boolean): Promise<TuningSamples> {
  const split = await samples.split()
  const { outside } = samples
  const every = Math.max(1, Math.ceil(outside.length / MOST_OUTSIDE))
  const others = outside.filter((_, i) => i % every === 0)
  const validation = everything ? [] : others.filter((_, i) => i % VALIDATION_EVERY === VALIDATION_EVERY - 1)
  const judges = split.filter((each) => each.validation)
  for await (const batch of samples.read(validation)) judges.push({ batch, validation: true })
  const free = everything ? others : others.filter((_, i) => i % VALIDATION_EVERY !== VALIDATION_EVERY - 1)
  const fit = split.filter((each) => everything || !each.validation)
  const read = fit.flatMap(({ batch }) => samplesIn(batch))
  return { ...joined(read, samples.dataset, free), judges: judges.length > 0 ? judges : split }
}

/** Samples in memory, then some of a data set, as one data set. */
function joined(
  read: readonly Sample[],
  dataset: Dataset,
  others: readonly number[],
): Pick<TuningSamples, 'dataset' | 'indices'> {
  const size = read.length + others.length
  return {
    dataset: {
      name: dataset.name,
      size,
      hasLabels: false,
      notes: [],
      id: String,
      sample: async (index, signal) => {
        const sample = read[index] ?? (await dataset.sample(others[index - read.length] ?? 0, signal))
        const { inputs, fixed } = sample
        return { id: String(index), inputs, ...(fixed && { fixed }) }
      },
    },
    indices: Array.from({ length: size }, (_, i) => i),
  }
}
