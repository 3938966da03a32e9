// A search over techniques on a small model and samples in memory: what a technique is given when it runs on its own.
import { sizeOf, type TensorValue } from '../../src/base/index.ts'
import type { Dataset } from '../../src/data/index.ts'
import { randomStream } from '../../src/math/index.ts'
import type { Model, Statistics } from '../../src/onnx/index.ts'
import { CalibrationSamples } from '../../src/pipeline/quantize/calibration-samples.ts'
import type { Candidate } from '../../src/pipeline/quantize/candidate.ts'
import { RunningSearch } from '../../src/pipeline/quantize/context.ts'
import { samplesSource } from '../../src/pipeline/quantize/samples-source.ts'
import type { SearchOptions, Source } from '../../src/pipeline/quantize/technique.ts'
import { withExplicitBiases } from '../../src/pipeline/quantize/techniques/explicit-biases.ts'
import { quantizeDefaults } from '../../src/quantize/index.ts'
import { applyRewrites, observeModel, randomLike, workingPasses } from '../../src/rewrite/index.ts'
import { runtimeProducts } from '../../src/runtime/index.ts'
import { testRuntime } from './rewrite-conformance.ts'

/** The value of an input of sample `index`: element `i` of these dims. */
export type Drawn = (index: number, i: number, dims: readonly number[]) => number

/** Samples in memory for the float32 inputs of a model, an open dimension of which is 1; standard normal unless drawn. */
export function samplesOf(model: Model, size: number, draw?: Drawn): CalibrationSamples {
  const drawn = (name: string, shape: readonly (number | string | null)[], index: number): TensorValue => {
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : 1))
    const random = randomStream(index, name)
    const data = Float32Array.from({ length: sizeOf(dims) }, (_, i) => draw?.(index, i, dims) ?? random.normal())
    return { dtype: 'float32', dims, data }
  }
  const { inputs } = model.graph
  const dataset: Dataset = {
    name: 'memory',
    size,
    hasLabels: false,
    notes: [],
    id: String,
    sample: async (index) => ({
      id: String(index),
      inputs: Object.fromEntries(inputs.map(({ name, shape = [] }) => [name, drawn(name, shape, index)])),
    }),
  }
  return new CalibrationSamples(
    dataset,
    Array.from({ length: size }, (_, i) => i),
  )
}

export interface SmallSearchOptions extends Partial<Omit<SearchOptions, 'products'>> {
  /** 16 drawn from the normal distribution when absent. */
  readonly samples?: CalibrationSamples
  /** Instead of the samples. */
  readonly source?: Source
  /** The usual rewrites run first, and what BatchNormalization knew is kept. */
  readonly rewritten?: boolean
}

export interface SmallSearch {
  readonly context: RunningSearch
  /** Untouched but for what the techniques of the search need first. */
  readonly naive: Candidate
}

/** A search before its first technique. */
export async function smallSearch(model: Model, options: SmallSearchOptions = {}): Promise<SmallSearch> {
  const { samples = samplesOf(model, 16), rewritten = false, source, ...rest } = options
  const runtime = await testRuntime()
  const feeds = await samples.first()
  const given = rewritten
    ? await applyRewrites(runtime, { model, feeds }, workingPasses)
    : { model, statistics: new Map() as Statistics }
  const context = await RunningSearch.of(runtime, given.model, source ?? samplesSource(samples, { judges: true }), {
    quantize: quantizeDefaults,
    techniques: [],
    keep: 'always',
    clip: 'hold',
    seed: 0,
    label: 'small.onnx',
    products: runtimeProducts(runtime),
    ...rest,
  })
  const seen = await observeModel(runtime, given.model, { feeds, random: randomLike(feeds) }, { label: 'small.onnx' })
  const form = { float: given.model, seen, quantize: context.options.quantize, applied: [], evidence: {} }
  const naive = await withExplicitBiases({ ...form, statistics: given.statistics }, context)
  return { context, naive: context.candidate(naive) }
}
