// Running statistics anew, after the weights have stopped moving: moments pooled over many batches (arXiv 2203.11086).
import type { TensorValue } from '../../base/index.ts'
import { randomStream } from '../../math/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { withTrainingSession } from '../blocked/session.ts'
import { FEEDS, type TrainingGraph } from '../training-graph.ts'
import { makeBatch, type SampleStore } from './sample-store.ts'
import type { Arrays } from './state.ts'

/** Batches that are pooled, at most. */
const BATCHES = 100

/**
 * The values with mean and variance of every trained BatchNormalization pooled over batches:
 * mean = Σ m_B / n, variance = Σ (v_B + m_B²) / n − mean². Averaging the variances alone would lose that of the means.
 */
export async function reestimateStatistics(
  runtime: Runtime,
  { graph, values }: { readonly graph: TrainingGraph; readonly values: Arrays },
  store: SampleStore,
  seed: number,
): Promise<Map<string, Float32Array>> {
  const result = new Map(values)
  if (graph.batchNorms.length === 0) return result
  const order = randomStream(seed, 're-estimation').shuffle(Array.from({ length: store.size }, (_, i) => i))
  const count = Math.min(BATCHES, Math.max(1, Math.floor(order.length / graph.batch)))
  const sums = new Map<string, { mean: Float64Array; square: Float64Array }>()
  await withTrainingSession(runtime, graph, async (session) => {
    for (let b = 0; b < count; b++) {
      const places = order.slice(b * graph.batch, (b + 1) * graph.batch)
      const { inputs, labels, rowWeight, sampleWeight } = await makeBatch(
        store,
        graph,
        { places, seed, epoch: 0 },
        Number.POSITIVE_INFINITY,
      )
      const feeds: Record<string, TensorValue> = { ...inputs }
      const { needs } = graph
      if (needs.labels) feeds[FEEDS.labels] = { dtype: 'int64', dims: [labels.length], data: labels.fill(0n) }
      if (needs.rowWeight) feeds[FEEDS.rowWeight] = { dtype: 'float32', dims: [rowWeight.length], data: rowWeight }
      if (needs.sampleWeight)
        feeds[FEEDS.sampleWeight] = { dtype: 'float32', dims: [sampleWeight.length], data: sampleWeight }
      for (const { name, dims } of graph.parameters) {
        const data = values.get(name)
        if (data) feeds[name] = { dtype: 'float32', dims, data }
      }
      // The statistics do not depend on the loss: zeros stand for what it compares with.
      for (const input of graph.model.graph.inputs)
        if (!(input.name in feeds)) feeds[input.name] = zeros(input.shape?.map(Number) ?? [])
      const outputs = await session.run(feeds)
      for (const { mean, batchMean, batchVariance } of graph.batchNorms)
        pool(sums, mean, outputs[batchMean]?.data, outputs[batchVariance]?.data)
    }
  })
  for (const { mean, variance } of graph.batchNorms) {
    const sum = sums.get(mean)
    if (!sum) continue
    const means = sum.mean.map((total) => total / count)
    result.set(mean, Float32Array.from(means))
    result.set(
      variance,
      Float32Array.from(sum.square, (total, c) => Math.max(0, total / count - (means[c] ?? 0) ** 2)),
    )
  }
  return result
}

function zeros(dims: readonly number[]): TensorValue {
  return { dtype: 'float32', dims, data: new Float32Array(dims.reduce((a, b) => a * b, 1)) }
}

function pool(
  sums: Map<string, { mean: Float64Array; square: Float64Array }>,
  name: string,
  mean: unknown,
  variance: unknown,
): void {
  if (!(mean instanceof Float32Array) || !(variance instanceof Float32Array)) return
  const sum = sums.get(name) ?? { mean: new Float64Array(mean.length), square: new Float64Array(mean.length) }
  sums.set(name, sum)
  for (let c = 0; c < mean.length; c++) {
    const m = mean[c] ?? 0
    sum.mean[c] = (sum.mean[c] ?? 0) + m
    sum.square[c] = (sum.square[c] ?? 0) + (variance[c] ?? 0) + m * m
  }
}
