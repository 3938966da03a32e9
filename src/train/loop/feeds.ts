// What one run of a training graph is fed.
import type { TensorValue } from '../../base/index.ts'
import type { Values } from '../../runtime/index.ts'
import { FEEDS, type TrainingGraph } from '../training-graph.ts'
import type { TrainingBatch } from './sample-store.ts'
import type { Arrays } from './state.ts'

/** The batch, what the teacher says of it, and the current values of what is trained. */
export function feedsOf(
  { needs, parameters }: Pick<TrainingGraph, 'needs' | 'parameters'>,
  batch: TrainingBatch,
  taught: Values,
  values: Arrays,
): Values {
  const feeds: Record<string, TensorValue> = { ...batch.inputs }
  if (needs.labels) feeds[FEEDS.labels] = { dtype: 'int64', dims: [batch.labels.length], data: batch.labels }
  if (needs.rowWeight) feeds[FEEDS.rowWeight] = vector(batch.rowWeight)
  if (needs.sampleWeight) feeds[FEEDS.sampleWeight] = vector(batch.sampleWeight)
  for (const name of needs.teacher) {
    const value = taught[name]
    if (value) feeds[FEEDS.teacher(name)] = value
  }
  for (const { name, dims } of parameters) {
    const data = values.get(name)
    if (data) feeds[name] = { dtype: 'float32', dims, data }
  }
  return feeds
}

const vector = (data: Float32Array): TensorValue => ({ dtype: 'float32', dims: [data.length], data })
