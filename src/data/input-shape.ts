// Concrete dims for a model input: declared sizes, `--shape`, else small values that most models accept.
import { InputError, isValueType, sizeOf, UnsupportedError, type ValueType } from '../base/index.ts'
import type { InputSpec } from './dataset.ts'
import { isBatchName, isTimeName } from './dim-names.ts'

/** Dims the caller gave for inputs, by name, batch axis included. */
export type GivenShapes = Readonly<Record<string, readonly number[]>>

/** `float32[N,3,224,224]`, as in error messages. */
export function printInput(input: InputSpec): string {
  return `${input.dtype ?? 'unknown'}[${(input.shape ?? ['?']).map((dim) => dim ?? '?').join()}]`
}

/** @throws UnsupportedError when an input is a sequence, an optional or a map: they cannot be fed */
export function checkTensors(inputs: readonly InputSpec[]): void {
  for (const { name, container } of inputs)
    if (container)
      throw new UnsupportedError(
        `input "${name}" is a ${container.inside[0]}; ONNX Runtime takes tensors alone from JavaScript, so the model cannot be run here: let it begin at the tensors that the ${container.inside[0]} holds`,
        { tensor: name },
      )
}

/** The element type of an input. @throws UnsupportedError when values of it cannot be made here */
export function inputType(input: InputSpec): ValueType {
  if (input.dtype !== undefined && isValueType(input.dtype)) return input.dtype
  throw new UnsupportedError(
    `input "${input.name}" is ${printInput(input)}; samples can be made for numeric tensors only`,
    { tensor: input.name },
  )
}

/** Do concrete dims agree with declared ones? */
export function dimsFit(shape: InputSpec['shape'], dims: readonly number[]): boolean {
  return (
    shape === undefined ||
    (shape.length === dims.length && shape.every((dim, axis) => typeof dim !== 'number' || dim === dims[axis]))
  )
}

/**
 * Concrete dims for every input, batch 1. Equal names of dynamic dims get equal sizes, and "past_sequence_length + 1" their sum.
 * The axis called batch is the batch, or else the first dynamic one, unless the first axis is a fixed 1 or called a length; others
 * become 224 in pictures (rank 4 with 1 or 3 channels), 512 in signals (float of rank 1 or 2 with a free last axis) and 16
 * elsewhere, fewer where a sample would have more than four million values.
 * @throws InputError when a given shape does not fit the declared one, UnsupportedError for an input that is not a tensor
 */
export function concreteShapes(inputs: readonly InputSpec[], given: GivenShapes = {}): Map<string, readonly number[]> {
  for (const name of Object.keys(given))
    if (!inputs.some((input) => input.name === name))
      throw new InputError(
        `a shape was given for input "${name}", which the model does not have; its inputs are ${inputs.map((input) => input.name).join(', ')}`,
      )
  checkTensors(inputs)
  const named = new Map<string, number>()
  const result = new Map<string, readonly number[]>()
  const order = [...inputs].sort((a, b) => rank(a, given) - rank(b, given))
  for (const input of order) {
    const dims = given[input.name] ?? guess(input, named)
    if (!dimsFit(input.shape, dims))
      throw new InputError(`the shape [${dims}] given for input "${input.name}" does not fit ${printInput(input)}`, {
        tensor: input.name,
      })
    input.shape?.forEach((dim, axis) => {
      if (typeof dim === 'string') named.set(dim, dims[axis]!)
    })
    result.set(input.name, dims)
  }
  return result
}

/** Given shapes first; sums last, whose parts are known then. */
function rank({ name, shape }: InputSpec, given: GivenShapes): number {
  return name in given ? 0 : shape?.some(isSum) ? 2 : 1
}

/** Is a size called the sum of others, "past_sequence_length + 1"? */
function isSum(dim: number | string | null): boolean {
  return typeof dim === 'string' && /^\w+( *\+ *\w+)+$/.test(dim)
}

/** A size that has a name: the same as elsewhere, or the sum of what its name adds up, as far as that is known. */
function sizeOfName(name: string, named: ReadonlyMap<string, number>): number | undefined {
  const known = named.get(name)
  if (known !== undefined || !isSum(name)) return known
  const parts = name.split('+').map((part) => {
    const word = part.trim()
    return /^\d+$/.test(word) ? Number(word) : named.get(word)
  })
  return parts.reduce<number | undefined>(
    (sum, part) => (sum === undefined || part === undefined ? undefined : sum + part),
    0,
  )
}

function guess(input: InputSpec, named: ReadonlyMap<string, number>): number[] {
  const { shape } = input
  if (shape === undefined)
    throw new InputError(`input "${input.name}" declares no shape; give one with --shape ${input.name}:1x…`, {
      tensor: input.name,
    })
  const batchAxis = batchAxisOf(shape)
  const picture = shape.length === 4 && [shape[1], shape[3]].some((dim) => dim === 1 || dim === 3)
  const signal = shape.length <= 2 && typeof shape.at(-1) !== 'number' && /^float/.test(input.dtype ?? '')
  const usual = picture ? 224 : signal ? 512 : 16
  const sized = (free: number) =>
    shape.map((dim, axis) => {
      if (typeof dim === 'number') return dim
      if (axis === batchAxis) return 1
      return (dim === null ? undefined : sizeOfName(dim, named)) ?? free
    })
  let free = usual
  while (free > 1 && sizeOf(sized(free)) > MOST_VALUES) free = Math.floor(free / 2)
  return sized(free)
}

/** Values of a sample at most, where sizes are free. */
const MOST_VALUES = 2 ** 22

function batchAxisOf(shape: NonNullable<InputSpec['shape']>): number {
  const named = shape.findIndex(isBatchName)
  if (named !== -1) return named
  if (shape[0] === 1 || (shape.length > 1 && isTimeName(shape[0]))) return -1
  return shape.findIndex((dim) => typeof dim !== 'number')
}
