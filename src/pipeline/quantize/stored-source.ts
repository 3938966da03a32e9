// Stored evidence as a source: what was kept is applied again in the same order, with nothing to decide.
import { InputError } from '../../base/index.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import type { Model } from '../../onnx/index.ts'
import { CORRECTIONS, type StoredCorrections, tensorsFrom } from './evidence.ts'
import { withCorrections } from './stored-corrections.ts'
import type { StoredStatistics } from './stored-statistics.ts'
import type { Source } from './technique.ts'

/**
 * Repeats a quantisation: whether something helps was measured when the statistics were made.
 * @throws InputError when the statistics are of another model
 */
export function storedSource(stored: StoredStatistics, label: string): Source {
  const tensors = tensorsFrom(stored.tensors)
  const corrections = stored.evidence[CORRECTIONS] as StoredCorrections | undefined
  return {
    judges: false,
    proves: 'runs',
    stored: stored.evidence,
    notes: ['ranges and corrections come from stored statistics, without a sample'],
    ranges: () => (wanted) => new Map(wanted.map((value) => [value, wantedOf(tensors, value, label)])),
    channels: async () => new Map(),
    attempt: async (technique, candidate, context) =>
      technique.replay && technique.name in stored.evidence
        ? { candidate: await technique.replay(candidate, stored.evidence[technique.name], context) }
        : undefined,
    finish: async (candidate, context) => {
      if (!corrections) return candidate
      const built = await candidate.built()
      const { model, plan } = withCorrections(candidate.float, built.plan, corrections)
      return context.corrected(candidate, { ...built, model, plan }, [])
    },
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
