// Memory of a training, estimated from its graph before it starts.
import type { Arrays } from './loop/state.ts'
import type { TrainingGraph } from './training-graph.ts'

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

/** The largest batch whose training fits into so many bytes; 0 when not even one sample does. */
export function largestBatch(graph: TrainingGraph, initial: Arrays, bytes: number): number {
  const none = trainingBytes(graph, initial, 0)
  const each = trainingBytes(graph, initial, 1) - none
  if (none > bytes) return 0
  return each === 0 ? Number.POSITIVE_INFINITY : Math.floor((bytes - none) / each)
}
