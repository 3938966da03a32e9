// What the commands that change nothing begin with: a model that can run, and which samples it is given.
import { chooseSamples, type Dataset } from '../data/index.ts'
import { readModelFile } from '../onnx/index.node.ts'
import type { Model } from '../onnx/index.ts'
import { workingForm } from './working-form.ts'

/** A model in the form in which it can run, and what there is to say of that. */
export async function readWorking(path: string): Promise<{ readonly model: Model; readonly notes: readonly string[] }> {
  const given = await readModelFile(path)
  const form = workingForm(given, 'inference')
  return { model: form.model, notes: [...given.notes, ...form.notes] }
}

/** The samples of a command that takes at most so many: evenly spaced, all of them without a limit. */
export function chosen(dataset: Dataset, samples: number | undefined): number[] {
  return chooseSamples(dataset.size, Math.min(samples ?? dataset.size, dataset.size))
}
