// Quantisation from stored statistics: what was kept is applied again in the same order, with nothing to decide.
import { InputError, RefusedError, type Watch } from '../../base/index.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import type { Model, Statistics } from '../../onnx/index.ts'
import type { QuantizeOptions } from '../../quantize/index.ts'
import { place, weightBitsOf } from '../../quantize/index.ts'
import {
  type AppliedRewrite,
  checkRewrite,
  EXACT_BOUND_DB,
  equalize,
  explicitBiases,
  foldDeadChannels,
  observeModel,
  type RewriteResult,
  randomLike,
} from '../../rewrite/index.ts'
import { type Runtime, typesOf, type Values } from '../../runtime/index.ts'
import { buildQuantized } from './build.ts'
import { withCorrections } from './learnt.ts'
import { noiseGrids } from './noise-grids.ts'
import { channelsFrom, type StoredStatistics, tensorsFrom } from './stored-statistics.ts'
import type { BuiltWithoutData } from './without-data.ts'

export interface FromStoredOptions extends Watch {
  readonly quantize: QuantizeOptions
  readonly label: string
}

/**
 * Repeats a quantisation. Every rewrite is run again on `feeds`, which need not be a real sample: whether it helps was measured when
 * the statistics were made.
 * @param given what BatchNormalization knew of the rewritten model
 * @throws InputError when the statistics are of another model, RefusedError when a rewrite does not hold on this one
 */
export async function buildFromStored(
  runtime: Runtime,
  model: Model,
  given: Statistics,
  feeds: Values,
  stored: StoredStatistics,
  { quantize, label, signal, progress }: FromStoredOptions,
): Promise<BuiltWithoutData> {
  const rewrites: AppliedRewrite[] = []
  let seen = await observeModel(runtime, model, feeds, randomLike(feeds), label)
  let float = model
  const apply = async (rewrite: Parameters<typeof checkRewrite>[1], result: RewriteResult) => {
    // What is bounded is bounded on the samples, which these inputs are not: that it runs and is of the same shapes must do.
    const boundDb = rewrite.kind === 'bounded' ? Number.NEGATIVE_INFINITY : rewrite.boundDb
    const step = await checkRewrite(runtime, { ...rewrite, boundDb }, result, seen, { signal, label })
    rewrites.push(step.applied)
    if (!step.seen)
      throw new RefusedError(
        `the statistics cannot be used for ${label}: they were made with ${rewrite.name}, which ${step.applied.refused ?? 'changes nothing here'}; are they of this model?`,
        { file: label },
      )
    float = result.model
    seen = step.seen
  }
  for (const name of stored.rewrites) {
    const { shapes } = seen
    if (name === 'explicit-biases')
      await apply(explicitBiases, explicitBiases.apply(float, { shapes, statistics: given }))
    else if (name === 'fold-dead-channels') {
      const statistics = stored.folding ? channelsFrom(stored.folding) : given
      await apply(foldDeadChannels, foldDeadChannels.apply(float, { shapes, statistics }))
    } else if (stored.equalizing) {
      const { clip, channels } = stored.equalizing
      const placement = place(float, quantize, typesOf(float))
      const bits = weightBitsOf(placement, float.graph.nodes, quantize)
      const form = typeof clip === 'string' ? clip : new Set(clip)
      const grids = noiseGrids(quantize, bits)
      const result = await equalize(float, shapes, channelsFrom(channels), { ...grids, clip: form, signal, progress })
      await apply({ name: 'equalize', kind: clip === 'exact' ? 'exact' : 'bounded', boundDb: EXACT_BOUND_DB }, result)
    }
  }
  const tensors = tensorsFrom(stored.tensors)
  const source = (wanted: readonly string[]) => new Map(wanted.map((value) => [value, wantedOf(tensors, value, label)]))
  const { corrections, floatValues, minmaxValues } = stored
  const built = await buildQuantized(
    runtime,
    float,
    seen.shapes,
    source,
    {
      ...quantize,
      ...(floatValues ? { floatValues: new Set(floatValues) } : {}),
      ...(minmaxValues ? { minmaxValues: new Set(minmaxValues) } : {}),
    },
    { signal, progress },
  )
  return {
    float,
    shapes: seen.shapes,
    built: corrections ? { ...built, ...withCorrections(float, built.plan, corrections) } : built,
    rewrites,
    notes: ['ranges and corrections come from stored statistics, without a sample'],
  }
}

/**
 * Dims of a sample for each input, where the recipe gives none.
 * @throws InputError when the statistics are of a model with other inputs
 */
export function storedShapes(
  { inputs }: StoredStatistics,
  model: Model,
  label: string,
): Readonly<Record<string, readonly number[]>> {
  const names = model.graph.inputs.map(({ name }) => name)
  const strange = Object.keys(inputs).find((name) => !names.includes(name))
  if (strange === undefined) return inputs
  throw new InputError(
    `the statistics are of another model: they were made with an input "${strange}", and those of ${label} are ${names.join(', ')}`,
    { file: label },
  )
}

function wantedOf(tensors: ReadonlyMap<string, TensorStatistics>, value: string, label: string): TensorStatistics {
  const found = tensors.get(value)
  if (found) return found
  throw new InputError(
    `the statistics are of another model or another recipe: they say nothing of "${value}" of ${label}`,
    { file: label },
  )
}
