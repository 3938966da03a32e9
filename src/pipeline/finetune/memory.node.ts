// Memory of a training, estimated before it starts: a batch that would not fit is refused with one that would.
import { freemem } from 'node:os'
import { RefusedError } from '../../base/index.ts'
import type { FinetuneRecipe } from '../../recipe/index.ts'
import { type Arrays, largestBatch, type TrainingGraph, trainingBytes } from '../../train/index.ts'

/**
 * Refuses a batch for which the memory would not do.
 * @throws RefusedError with the estimate and the largest batch that would fit
 */
export function refuseTooLarge(graph: TrainingGraph, recipe: FinetuneRecipe, initial: Arrays): void {
  const limit = recipe.memory === undefined ? freemem() : recipe.memory * 1e6
  const needed = trainingBytes(graph, initial, recipe.batch)
  if (needed <= limit) return
  const fits = largestBatch(graph, initial, limit)
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`
  const advice =
    fits >= 1
      ? `--batch ${fits} would fit`
      : 'not even one sample would fit; train a smaller model, or only its last layer'
  throw new RefusedError(
    `a batch of ${recipe.batch} needs about ${megabytes(needed)}, and ${megabytes(limit)} are ${recipe.memory === undefined ? 'free' : 'allowed'}: ${advice}`,
  )
}
