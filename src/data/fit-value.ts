// Makes a stored value fit a model input: batch axis, axes of size 1, element type, scale, mean and std for 8-bit planes.
import { InputError, type TensorValue } from '../base/index.ts'
import { convertValue, isFloatType } from './convert.ts'
import type { InputSpec } from './dataset.ts'
import { isBatchName, isTimeName } from './dim-names.ts'
import { dimsFit, inputType, printInput } from './input-shape.ts'
import { isNormalizing, normalizeTables } from './normalize.ts'
import type { Preprocess } from './preprocess.ts'

/**
 * Dims, with the batch axis, under which a sample of `dims` (without it) fits the declared shape, or undefined.
 * 1. a batch axis of 1 is put in front, even where the model's batch is fixed to more: samples are joined later
 * 2. the sample has its batch axis already, or the model has none
 * 3. as 1, and axes of size 1 are added or taken away: [28,28] fits [N,1,28,28]
 * 4. the first axis is free and no batch, by its name or because there is no other place for it: [64,576] fits [length,576] as it is
 * 5. where the first axis is declared as time, the batch axis is the second: [10,16] fits [10,N,16] as [10,1,16]
 */
export function fittingDims(shape: InputSpec['shape'], dims: readonly number[]): readonly number[] | undefined {
  const single = [1, ...dims]
  if (shape === undefined) return single
  const inner = shape.slice(1)
  if (isTimeFirst(shape, dims)) return [dims[0] ?? 1, 1, ...dims.slice(1)]
  if (shape.length > 0 && dimsFit(inner, dims)) return single
  const ownBatch = dims[0] === 1 || shape.length <= 1 || typeof shape[0] === 'number'
  if (dimsFit(shape, dims) && ownBatch) return dims
  if (isWhole(shape, dims)) return dims
  const sizes = dims.filter((dim) => dim !== 1)
  const open = inner.filter((dim) => dim !== 1)
  if (shape.length === 0 || open.length !== sizes.length || !dimsFit(open, sizes)) return undefined
  let next = 0
  return [1, ...inner.map((dim) => (dim === 1 ? 1 : sizes[next++]!))]
}

/** Is the free first axis part of the sample? A batch would leave no place for it. */
function isWhole(shape: NonNullable<InputSpec['shape']>, dims: readonly number[]): boolean {
  return typeof shape[0] !== 'number' && !isBatchName(shape[0]) && dimsFit(shape, dims)
}

/**
 * Is the first axis time and the second the batch? A size of more than 1 or a name such as "time" says so where the sample has no
 * place for a batch in front; a free batch on the second axis where it has.
 */
function isTimeFirst(shape: NonNullable<InputSpec['shape']>, dims: readonly number[]): boolean {
  const [first, second, ...rest] = shape
  if (first === undefined || second === undefined || shape.length > 3) return false
  if (!dimsFit([first, ...rest], dims)) return false
  const time = typeof first === 'number' ? first > 1 : isTimeName(first)
  if (!dimsFit(shape.slice(1), dims)) return time || isBatchName(second)
  return time && typeof second !== 'number' && (typeof first === 'number' ? shape.length === 3 : isBatchName(second))
}

export interface StoredForm {
  readonly dtype: string
  /** Dims of one sample, without a batch axis. */
  readonly dims: readonly number[]
}

/**
 * The input that a stored value without a name is for: the first whose shape fits and whose kind of number is the
 * same, then the first whose shape fits and that can hold the numbers.
 * @throws InputError naming the first input, got and expected
 */
export function inputFor(inputs: readonly InputSpec[], form: StoredForm, where: string): InputSpec {
  const fits = inputs.filter((input) => fittingDims(input.shape, form.dims))
  const same = (input: InputSpec) => isFloatType(input.dtype ?? '') === isFloatType(form.dtype)
  const widens = (input: InputSpec) => isFloatType(input.dtype ?? '') && !isFloatType(form.dtype)
  const exact = fits.find((input) => input.dtype === form.dtype)
  const found = exact ?? fits.find(same) ?? fits.find(widens)
  if (found) return found
  throw misfit(inputs[0], form, where)
}

/** A mismatch of sample and input, as one sentence. */
export function misfit(input: InputSpec | undefined, form: StoredForm, where: string): InputError {
  if (!input) return new InputError('the model has no inputs, so no samples can be fed to it')
  return new InputError(
    `${where} has samples of ${form.dtype}[${form.dims}], which do not fit input "${input.name}" ${printInput(input)} (the first axis is the batch)`,
    { tensor: input.name },
  )
}

/** Turns stored samples of one form into values for one input. */
export interface Fitting {
  readonly input: InputSpec
  /** What was assumed, a sentence each. */
  readonly notes: readonly string[]
  readonly apply: (value: TensorValue) => TensorValue
}

/**
 * Prepares the conversion of stored values into values of a model input.
 * 8-bit values that feed a float input get the preprocessing's `(x * scale - mean) / std` per channel.
 * @throws InputError when the shapes do not fit, naming input, got and expected
 */
export function fittingFor(
  input: InputSpec,
  form: StoredForm,
  preprocess: Preprocess | undefined,
  where: string,
): Fitting {
  const dims = fittingDims(input.shape, form.dims)
  if (!dims || (isFloatType(form.dtype) && !isFloatType(input.dtype ?? ''))) throw misfit(input, form, where)
  const dtype = inputType(input)
  const planes = form.dtype === 'uint8' && isFloatType(dtype)
  if (planes && preprocess && isNormalizing(preprocess)) {
    const normalize = planesTransform(preprocess, dims)
    return { input, notes: [], apply: (value) => convertValue(normalize(value), dtype) }
  }
  const notes: string[] = []
  const [first] = input.shape ?? []
  if (input.shape && input.shape.length > 1 && dims[0] !== 1 && typeof first !== 'number')
    notes.push(
      `input "${input.name}" ${printInput(input)} gets samples of [${dims}] whole: its first axis is taken for a part of the sample, not for a batch`,
    )
  if (planes)
    notes.push(
      `input "${input.name}" gets 8-bit values 0..255 as they are; give a preprocessing with scale, mean and std if the model expects another range`,
    )
  else if (preprocess && isNormalizing(preprocess))
    notes.push(
      `input "${input.name}" gets ${form.dtype} values as they are stored; scale, mean and std were not applied`,
    )
  return { input, notes, apply: (value) => convertValue({ ...value, dims }, dtype) }
}

/** `(x * scale - mean) / std` on uint8 [1, C, …] or, with layout NHWC, [1, …, C]; R, G, B planes are stored. */
function planesTransform(preprocess: Preprocess, dims: readonly number[]): (value: TensorValue) => TensorValue {
  const last = preprocess.layout === 'NHWC'
  const channels = (dims.length < 3 ? 1 : last ? dims.at(-1) : dims[1]) ?? 1
  const tables = normalizeTables(preprocess, channels)
  const swap = preprocess.channelOrder === 'BGR' && channels === 3
  return ({ data: stored }) => {
    const data = new Float32Array(stored.length)
    const size = data.length / channels
    for (let channel = 0; channel < channels; channel++) {
      const table = tables[channel]!
      const source = swap ? channels - 1 - channel : channel
      const step = last ? channels : 1
      let from = last ? source : source * size
      let to = last ? channel : channel * size
      for (let count = 0; count < size; count++) {
        data[to] = table[Number(stored[from])]!
        from += step
        to += step
      }
    }
    return { dtype: 'float32', dims, data }
  }
}
