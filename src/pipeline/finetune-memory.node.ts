// Memory of a training, estimated before it starts: a batch that would not fit is refused with one that would.
import { freemem } from 'node:os'
import { RefusedError } from '../base/index.ts'
import type { Arrays, TrainingGraph } from '../train/index.ts'
import type { FinetuneRecipe } from './recipe.ts'

/** Node, ONNX Runtime and its worker. */
const BASE_BYTES = 250e6
/** The allocator's peak over the sum of the values alive: measured 2 to 3 on networks of 50 to 1,000 nodes. */
const OVERHEAD = 3
/** Copies of each trained number: the value, its gradient, the optimiser's moments, the best and the last state, and on the way. */
const COPIES = 10

/** Bytes that a training with this batch takes, from the graph of a smaller one. */
export function trainingBytes(graph: TrainingGraph, initial: Arrays, batch: number): number {
  const trained = [...initial.values()].reduce((sum, array) => sum + array.byteLength, 0)
  const perSample = Math.max(0, graph.bytes - 2 * trained) / graph.batch
  return BASE_BYTES + COPIES * trained + OVERHEAD * perSample * batch
}

/**
 * Refuses a batch for which the memory would not do.
 * @throws RefusedError with the estimate and the largest batch that would fit
 */
export function refuseTooLarge(graph: TrainingGraph, recipe: FinetuneRecipe, initial: Arrays): void {
  const limit = recipe.memory === undefined ? freemem() : recipe.memory * 1e6
  const needed = trainingBytes(graph, initial, recipe.batch)
  if (needed <= limit) return
  const none = trainingBytes(graph, initial, 0)
  const each = trainingBytes(graph, initial, 1) - none
  const fits = Math.floor((limit - none) / each)
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`
  const advice =
    fits >= 1
      ? `--batch ${fits} would fit`
      : 'not even one sample would fit; train a smaller model, or only its last layer'
  throw new RefusedError(
    `a batch of ${recipe.batch} needs about ${megabytes(needed)}, and ${megabytes(limit)} are ${recipe.memory === undefined ? 'free' : 'allowed'}: ${advice}`,
  )
}
