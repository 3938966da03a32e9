// What a user's module yields, checked and turned into values for the model's inputs.
import {
  type AnyTypedArray,
  isValueType,
  makeArray,
  setElement,
  sizeOf,
  type TensorValue,
  type ValueType,
} from '../../base/index.ts'
import type { InputSpec, Label } from '../dataset.ts'
import { type Fitting, fittingFor, inputFor } from '../fit-value.ts'
import { inputType } from '../input-shape.ts'
import type { Preprocess } from '../preprocess.ts'
import type { Fail } from './cursor.ts'

/** What a module may yield. */
export interface Yielded {
  readonly where: string
  readonly values: Readonly<Record<string, unknown>> | undefined
  readonly value: unknown
  readonly label: Label | undefined
}

/** Checks one item. @throws what `fail` makes of it, naming the sample */
export function parseYielded(item: unknown, index: number, fail: Fail): Yielded {
  if (!isObject(item) || !('inputs' in item || 'value' in item))
    throw fail(`sample ${index} must be { inputs: { name: value } } or { value }, with an optional label`)
  const { inputs, value, label } = item
  if (inputs !== undefined && !isObject(inputs)) throw fail(`"inputs" of sample ${index} must be an object`)
  const good = label === undefined || Number.isInteger(label) || (Array.isArray(label) && label.every(Number.isInteger))
  if (!good) throw fail(`the label of sample ${index} must be a class number or a list of them`)
  return { where: `sample ${index}`, values: inputs, value, label: label as Label | undefined }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

export interface FitOptions {
  readonly inputs: readonly InputSpec[]
  readonly preprocess?: Preprocess | undefined
}

/** The values of one item as the model's inputs want them, and what was assumed. */
export function fitYielded(
  item: Yielded,
  options: FitOptions,
  fail: Fail,
): { values: Record<string, TensorValue>; notes: string[] } {
  const values: Record<string, TensorValue> = {}
  const notes: string[] = []
  for (const [name, stored] of Object.entries(item.values ?? { '': item.value })) {
    const { fitting, value } = fitOne(
      { name: item.values ? name : undefined, stored, where: item.where },
      options,
      fail,
    )
    notes.push(...fitting.notes)
    values[fitting.input.name] = fitting.apply(value)
  }
  return { values, notes }
}

/** One value of an item, with the input that it names. */
interface YieldedValue {
  readonly name: string | undefined
  readonly stored: unknown
  readonly where: string
}

function fitOne(
  { name, stored, where }: YieldedValue,
  { inputs, preprocess }: FitOptions,
  fail: Fail,
): { fitting: Fitting; value: TensorValue } {
  const named = inputs.find((each) => each.name === name)
  if (name !== undefined && !named)
    throw fail(
      `${where} has a value for "${name}"; the model's inputs are ${inputs.map((each) => each.name).join(', ')}`,
    )
  const value = tensorOf(stored, named ?? inputs[0], where, fail)
  const input = named ?? inputFor(inputs, value, where)
  return { fitting: fittingFor(input, value, preprocess, where), value }
}

/** A tensor value, a typed array, a (nested) list of numbers, or a number. */
function tensorOf(stored: unknown, input: InputSpec | undefined, where: string, fail: Fail): TensorValue {
  if (isTyped(stored)) return { dtype: dtypeOf(stored, input), dims: dimsFor(stored.length, input), data: stored }
  if (Array.isArray(stored)) return fromList(stored, input, where, fail)
  if (isNumeric(stored)) return fromList([stored], input, where, fail)
  if (isObject(stored) && isDims(stored['dims'])) {
    const { dims, data, dtype } = stored
    const value = tensorOf(data, input, where, fail)
    if (value.data.length !== sizeOf(dims)) throw fail(`${where} has ${value.data.length} values for dims [${dims}]`)
    if (dtype === undefined || dtype === value.dtype) return { ...value, dims }
    const same =
      typeof dtype === 'string' && isValueType(dtype) && makeArray(dtype, 0).constructor === value.data.constructor
    if (same) return { ...value, dtype, dims }
    throw fail(`${where} says dtype ${String(dtype)}, its data is ${value.dtype}`)
  }
  throw fail(`${where} must hold a number, a list of numbers, a typed array or { dtype, dims, data }`)
}

function fromList(list: readonly unknown[], input: InputSpec | undefined, where: string, fail: Fail): TensorValue {
  const numbers = list.flat(Number.POSITIVE_INFINITY)
  const dims: number[] = []
  for (let level: unknown = list; Array.isArray(level); level = level[0]) dims.push(level.length)
  if (sizeOf(dims) !== numbers.length || !numbers.every(isNumeric))
    throw fail(`${where} must hold numbers only, in lists of equal length`)
  const dtype = input && inputType(input) !== 'float16' ? inputType(input) : 'float32'
  const data = makeArray(dtype, numbers.length)
  for (const [index, number] of numbers.entries()) setElement(data, index, Number(number))
  return { dtype, dims: dims.length === 1 ? dimsFor(numbers.length, input) : dims, data }
}

/** A flat list has the dims of the input, if their number of values is the same. */
function dimsFor(length: number, input: InputSpec | undefined): readonly number[] {
  const inner = (input?.shape ?? []).slice(1).map((dim) => (typeof dim === 'number' ? dim : Number.NaN))
  return sizeOf(inner) === length ? inner : [length]
}

function isDims(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((dim) => Number.isInteger(dim) && dim >= 0)
}

/** Tokenizers give bigints, masks may be booleans. */
function isNumeric(value: unknown): value is number | bigint | boolean {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
}

function isTyped(value: unknown): value is AnyTypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView) && !(value instanceof Uint8ClampedArray)
}

function dtypeOf(data: AnyTypedArray, input: InputSpec | undefined): ValueType {
  const wanted = input?.dtype
  // float16 and bool travel in arrays of another name.
  if (wanted !== undefined && isValueType(wanted) && makeArray(wanted, 0).constructor === data.constructor)
    return wanted
  return byConstructor.find((dtype) => data instanceof makeArray(dtype, 0).constructor) ?? 'uint8'
}

const byConstructor: readonly ValueType[] = [
  'float32',
  'float64',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
]
