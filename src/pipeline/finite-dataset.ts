// Samples that are scored and not fitted to are held to the same rule: one bad value in --data is an error, wherever it falls.
import { InputError } from '../base/index.ts'
import type { Dataset, Sample } from '../data/index.ts'
import { type NonFiniteKind, nonFiniteKind } from '../math/index.ts'

/**
 * The data set with every sample checked when it is read. Infinities are let through in inputs where the sample `usual` has some:
 * masks may be made of them.
 */
export function finiteDataset(dataset: Dataset, usual: number): Dataset {
  let first: Promise<ReadonlyMap<string, NonFiniteKind>> | undefined
  const usualKinds = () => {
    first ??= dataset.sample(usual).then(kindsOf)
    return first
  }
  const check = async (sample: Sample): Promise<Sample> => {
    for (const [name, kind] of kindsOf(sample)) {
      if (kind === 'infinite' && (await usualKinds()).has(name)) continue
      throw new InputError(
        `tensor "${name}" is ${kind} for sample ${sample.id}; no figure can be told from such values: check the sample and its preprocessing`,
        { tensor: name },
      )
    }
    return sample
  }
  return {
    ...dataset,
    get notes() {
      return dataset.notes
    },
    sample: async (index, signal) => check(await dataset.sample(index, signal)),
  }
}

function kindsOf({ inputs }: Sample): Map<string, NonFiniteKind> {
  const kinds = new Map<string, NonFiniteKind>()
  for (const [name, { data }] of Object.entries(inputs)) {
    const kind = data instanceof Float32Array || data instanceof Float64Array ? nonFiniteKind(data) : undefined
    if (kind) kinds.set(name, kind)
  }
  return kinds
}
