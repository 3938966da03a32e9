// Made-up inputs of the right names, types and shapes, to see that a model goes through.
import {
  makeArray,
  type Random,
  randomStream,
  setElement,
  sizeOf,
  type TensorValue,
  toFloat16Bits,
} from '../../base/index.ts'
import { isFloatType } from '../convert.ts'
import type { InputSpec } from '../dataset.ts'
import { constantValue } from '../fill-inputs.ts'
import { concreteShapes, type GivenShapes, inputType } from '../input-shape.ts'
import { isMask, isScalar, lengthOf, plausibleScalar } from '../plausible.ts'
import type { Source } from '../source.ts'

/** How many there are, unless said otherwise. */
const COUNT = 64

export interface RandomOptions {
  readonly inputs: readonly InputSpec[]
  readonly seed?: number | undefined
  readonly shapes?: GivenShapes | undefined
  /** Number of samples, 64 if not given. */
  readonly count?: number | undefined
  /** Inputs that are not drawn but hold one number everywhere. */
  readonly constants?: Readonly<Record<string, number>> | undefined
  /** Integer inputs that pick rows of a table → how many it has. */
  readonly vocabularies?: Readonly<Record<string, number>> | undefined
}

/** Values of all samples together, at most; of four there may be more. */
const MOST_VALUES = 2 ** 27
const LEAST_SAMPLES = 4

/**
 * Random samples: standard normal floats, 8-bit integers over their whole range, token numbers inside their vocabulary, 0 or 1 for
 * other wide integers, masks of ones, and plausible scalars (`plausibleScalar`). Of large samples there are fewer than were asked for.
 */
export function openRandom(options: RandomOptions): Source {
  const { inputs, seed = 0 } = options
  const shapes = concreteShapes(inputs, options.shapes)
  const values = inputs.reduce((sum, { name }) => sum + sizeOf(shapes.get(name) ?? []), 0)
  const asked = options.count ?? COUNT
  const count = Math.min(asked, Math.max(LEAST_SAMPLES, Math.floor(MOST_VALUES / Math.max(1, values))))
  const length = lengthOf(inputs, shapes)
  const open = inputs.filter((input) => input.shape?.some((dim) => typeof dim !== 'number'))
  const notes = ['the inputs are random numbers: ranges from random inputs mean nothing']
  if (count < asked) notes.push(`${count} random samples are drawn instead of ${asked}: one has ${values} values`)
  const constants: Record<string, number> = { ...options.constants }
  for (const input of inputs) {
    if (constants[input.name] !== undefined || input.name in (options.vocabularies ?? {})) continue
    if (isMask(input)) constants[input.name] = 1
    else if (isScalar(input) && options.shapes?.[input.name] === undefined) {
      const scalar = plausibleScalar(input, length)
      constants[input.name] = scalar
      notes.push(`input "${input.name}" is ${scalar} in every sample`)
    }
  }
  for (const input of open)
    if (!options.shapes?.[input.name])
      notes.push(
        `the dynamic shape of input "${input.name}" was taken as [${shapes.get(input.name)}]; --shape changes it`,
      )
  for (const [name, value] of Object.entries(options.constants ?? {}))
    notes.push(`input "${name}" is ${value} in every sample, because the model compares it with that number`)
  return {
    name: 'random',
    size: count,
    fed: new Set(inputs.map((input) => input.name)),
    hasLabels: false,
    notes: () => notes,
    id: (index) => `random#${index}`,
    read: async (index) => {
      const random = randomStream(seed, index)
      const values: Record<string, TensorValue> = {}
      for (const input of inputs) {
        const constant = constants[input.name]
        const dims = shapes.get(input.name) ?? []
        values[input.name] =
          constant === undefined
            ? randomValue(input, dims, random, options.vocabularies?.[input.name])
            : constantValue(input, dims, constant)
      }
      return { values }
    },
  }
}

function randomValue(
  input: InputSpec,
  dims: readonly number[],
  { next, normal }: Random,
  vocabulary?: number,
): TensorValue {
  const dtype = inputType(input)
  const data = makeArray(dtype, sizeOf(dims))
  for (let index = 0; index < data.length; index++) {
    if (isFloatType(dtype)) setElement(data, index, dtype === 'float16' ? toFloat16Bits(normal()) : normal())
    else if (vocabulary !== undefined) setElement(data, index, Math.floor(next() * vocabulary))
    else if (dtype === 'uint8') setElement(data, index, Math.floor(next() * 256))
    else if (dtype === 'int8') setElement(data, index, Math.floor(next() * 256) - 128)
    else setElement(data, index, next() < 0.5 ? 0 : 1)
  }
  return { dtype, dims, data }
}
