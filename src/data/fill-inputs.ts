// Inputs the samples say nothing about: zeros (ones for masks, plausible scalars, nothing for a decoder's past), said aloud; more than one float input is refused.
import { InputError, makeArray, setElement, sizeOf, type TensorValue, toFloat16Bits } from '../base/index.ts'
import { isFloatType } from './convert.ts'
import type { InputSpec } from './dataset.ts'
import { concreteShapes, type GivenShapes, inputType, printInput } from './input-shape.ts'
import { freePast, isMask, isPast, isScalar, lengthOf, plausibleScalar } from './plausible.ts'

type Values = Readonly<Record<string, TensorValue>>

export interface Filling {
  /** What is assumed, a sentence each. */
  readonly notes: readonly string[]
  /** Adds the missing inputs to the values of one sample. */
  readonly fill: (values: Values) => Values
}

/**
 * Prepares values for the inputs that are not in `fed`: zeros, ones for an integer input called "…mask", as transformers name it,
 * plausible numbers for scalars (`plausibleScalar`), a decoder's past of length 0. Named dynamic dims get the sizes they have in the sample.
 * @throws InputError naming the inputs when more than one of them is float: zeros there would say nothing of the model
 */
export function fillingFor(inputs: readonly InputSpec[], fed: ReadonlySet<string>, shapes: GivenShapes = {}): Filling {
  const unfed = inputs.filter((input) => !fed.has(input.name))
  const pasts = unfed.filter((input) => isPast(input) && shapes[input.name] === undefined)
  const missing = unfed.filter((input) => !pasts.includes(input))
  const floats = missing.filter((input) => isFloatType(input.dtype ?? '') && !isScalar(input))
  if (floats.length > 1) {
    const names = floats.map((input) => `"${input.name}" ${printInput(input)}`).join(', ')
    throw new InputError(
      `the samples have no values for the inputs ${names}; describe them in a JSON file with "inputs", or yield them from a module`,
    )
  }
  return {
    notes: [
      ...missing.map((input) => `input "${input.name}" has no data in the samples and is fed ${wordFor(input)}`),
      ...pastNotes(pasts),
    ],
    fill: (values) => {
      if (unfed.length === 0) return values
      const known = Object.fromEntries(inputs.flatMap((input) => knownDims(input, values[input.name])))
      const concrete = concreteShapes(inputs, { ...shapes, ...known })
      const filled: Record<string, TensorValue> = { ...values }
      const length = lengthOf(inputs, concrete)
      for (const input of missing)
        filled[input.name] = constantValue(input, concrete.get(input.name) ?? [], constantFor(input, length))
      for (const input of pasts) filled[input.name] = emptyPast(input, concrete.get(input.name) ?? [])
      return filled
    },
  }
}

function pastNotes(pasts: readonly InputSpec[]): string[] {
  const [first] = pasts
  if (!first) return []
  const others = pasts.length > 1 ? ` and ${pasts.length - 1} others` : ''
  return [`input "${first.name}"${others} hold what came before and are fed a past of length 0`]
}

/** Sequences start from the beginning. */
function emptyPast(input: InputSpec, dims: readonly number[]): TensorValue {
  const free = new Set(freePast(input.shape))
  return constantValue(
    input,
    dims.map((dim, axis) => (free.has(axis) ? 0 : dim)),
    0,
  )
}

/** The dims of a value when the model runs: a sample of a fixed batch becomes one of many. */
function knownDims({ name, shape }: InputSpec, value: TensorValue | undefined): [string, readonly number[]][] {
  const declared = (dim: number, axis: number) => {
    const size = shape?.[axis]
    return dim === 1 && typeof size === 'number' ? size : dim
  }
  return value ? [[name, value.dims.map(declared)]] : []
}

/** Float masks are added as well as multiplied: zeros are what they were. */
function isOnes(input: InputSpec): boolean {
  return !isFloatType(input.dtype ?? '') && isMask(input)
}

function constantFor(input: InputSpec, length: number): number {
  if (isOnes(input)) return 1
  return isScalar(input) ? plausibleScalar(input, length) : 0
}

function wordFor(input: InputSpec): string {
  if (isOnes(input)) return 'ones'
  if (!isScalar(input)) return 'zeros'
  const given = plausibleScalar(input, Number.NaN)
  return Number.isNaN(given) ? 'the length of the other inputs' : String(given)
}

/** A value of these dims that is the same number everywhere. */
export function constantValue(input: InputSpec, dims: readonly number[], constant: number): TensorValue {
  const dtype = inputType(input)
  const data = makeArray(dtype, sizeOf(dims))
  const stored = dtype === 'float16' ? toFloat16Bits(constant) : constant
  if (stored !== 0) for (let index = 0; index < data.length; index++) setElement(data, index, stored)
  return { dtype, dims, data }
}
