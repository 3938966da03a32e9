// Writing down what corrections found, as the difference from what plain rounding gives on the same ranges; and reading it.
import { InputError } from '../../base/index.ts'
import type { QuantParams } from '../../math/index.ts'
import { type Model, Tensor } from '../../onnx/index.ts'
import { type Corrections, correctionsIn, insertQdq, onRanges, type Plan, slotsOf } from '../../quantize/index.ts'
import { fromBase64, type StoredCorrections, type StoredWeight, toBase64 } from './evidence.ts'

/**
 * What is different from a plain quantisation of `float` under `ranges`.
 * @param corrections found under `plan`, whose weight grids are kept
 */
export function storeCorrections(
  float: Model,
  corrections: Corrections,
  plan: Plan,
  ranges: Plan,
): StoredCorrections | undefined {
  const model = insertQdq(float, ranges)
  const plain = correctionsIn(model, ranges)
  const slots = slotsOf(model)
  const biases: Record<string, number[]> = {}
  const floats: Record<string, number[]> = {}
  const weights: Record<string, StoredWeight> = {}
  for (const [name, bias] of corrections.biases)
    if (!sameBytes(bias, plain.biases.get(name))) biases[name] = [...bias.floats()]
  const codesOf = new Set([...slots.values()].map(({ codes }) => codes))
  for (const [name, tensor] of corrections.constants)
    if (!codesOf.has(name) && !sameBytes(tensor, plain.constants.get(name))) floats[name] = [...tensor.floats()]
  for (const [name, params] of plan.weights) {
    const codes = slots.get(name)?.codes ?? ''
    const tensor = corrections.constants.get(codes)
    const usual = ranges.weights.get(name)
    if (!tensor || (usual && sameGrid(params, usual) && sameBytes(tensor, plain.constants.get(codes)))) continue
    const { dtype, scale, zeroPoint, axis } = params
    if (dtype !== 'int8' && dtype !== 'uint8') continue
    weights[name] = {
      dtype,
      scale: [...scale],
      zeroPoint: [...zeroPoint],
      ...(axis === undefined ? {} : { axis }),
      codes: toBase64(tensor.bytes),
    }
  }
  const count = [biases, floats, weights].reduce((sum, each) => sum + Object.keys(each).length, 0)
  return count === 0 ? undefined : { biases, floats, weights }
}

/**
 * Writes stored corrections into a plain quantisation.
 * @throws InputError when they belong to another model
 */
export function withCorrections(float: Model, ranges: Plan, stored: StoredCorrections): { model: Model; plan: Plan } {
  const weights = new Map(ranges.weights)
  for (const [name, { dtype, scale, zeroPoint, axis }] of Object.entries(stored.weights)) {
    const grid = { dtype, scale: Float32Array.from(scale), zeroPoint: Int32Array.from(zeroPoint) }
    known(weights.get(name), name)
    weights.set(name, { ...grid, ...(axis === undefined ? {} : { axis }) })
  }
  const plan = { ...ranges, weights }
  const model = insertQdq(float, plan)
  const slots = slotsOf(model)
  const plain = correctionsIn(model, plan)
  const biases = new Map(plain.biases)
  const constants = new Map(plain.constants)
  for (const [name, values] of Object.entries(stored.biases))
    biases.set(name, Tensor.from('float32', shapeOf(plain.biases.get(name), name, values.length), values))
  for (const [name, values] of Object.entries(stored.floats))
    constants.set(name, Tensor.from('float32', shapeOf(plain.constants.get(name), name, values.length), values))
  for (const [name, { codes }] of Object.entries(stored.weights)) {
    const slot = known(slots.get(name), name).codes
    const bytes = fromBase64(codes, `weight of "${name}"`)
    const { dtype, shape } = known(plain.constants.get(slot), name)
    constants.set(slot, new Tensor(dtype, shape, bytes))
  }
  return onRanges(float, { biases, constants }, plan, ranges)
}

function known<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new InputError(`the statistics are of another model: this one has no layer "${name}"`)
  return value
}

function shapeOf(tensor: Tensor | undefined, name: string, values: number): readonly number[] {
  const { shape, size } = known(tensor, name)
  if (size === values) return shape
  throw new InputError(
    `the statistics are of another model: they have ${values} biases for layer "${name}", which has ${size}`,
  )
}

function sameBytes(a: Tensor, b: Tensor | undefined): boolean {
  return b !== undefined && a.bytes.length === b.bytes.length && a.bytes.every((byte, index) => byte === b.bytes[index])
}

function sameGrid(a: QuantParams, b: QuantParams): boolean {
  const same = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    x.length === y.length && Array.from(x).every((value, index) => value === y[index])
  return a.dtype === b.dtype && a.axis === b.axis && same(a.scale, b.scale) && same(a.zeroPoint, b.zeroPoint)
}
