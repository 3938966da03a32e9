// Models that run a fixed number of samples at a time: how samples are joined for them, and taken apart again.
import { sliceValue, type TensorValue } from '../base/index.ts'
import type { FixedBatch, InputSpec } from './dataset.ts'

type Values = Readonly<Record<string, TensorValue>>

/**
 * How samples with such values are joined for a model that declares its batch: where an input wants n on an axis and the sample
 * has 1, n samples make a run. Undefined when each sample is a run of its own, or inputs disagree about n.
 */
export function fixedBatchOf(inputs: readonly InputSpec[], values: Values): FixedBatch | undefined {
  const axes: Record<string, number> = {}
  let size: number | undefined
  for (const { name, shape } of inputs) {
    const dims = values[name]?.dims
    if (!shape || dims?.length !== shape.length) continue
    const differ = shape.flatMap((dim, axis) => (typeof dim === 'number' && dim !== dims[axis] ? [axis] : []))
    const [axis] = differ
    if (axis === undefined) continue
    const wanted = Number(shape[axis])
    if (differ.length > 1 || dims[axis] !== 1 || (size !== undefined && size !== wanted)) return undefined
    size = wanted
    axes[name] = axis
  }
  if (size === undefined || size <= 1) return undefined
  // A batch that is left open beside one that is fixed is the same batch.
  for (const { name, shape } of inputs)
    if (axes[name] === undefined && typeof shape?.[0] !== 'number' && values[name]?.dims[0] === 1) axes[name] = 0
  return { size, axes }
}

/** Some samples of what a run of a fixed batch was fed or gave: its samples [from, to). */
export function rowsOf(values: Values, { size, axes }: FixedBatch, from: number, to: number): Values {
  const first = Object.values(axes)[0] ?? 0
  return Object.fromEntries(
    Object.entries(values).map(([name, value]): [string, TensorValue] => {
      const axis = axes[name] ?? [first, 0].find((each) => isMultiple(value.dims[each], size, each !== 0))
      if (axis === undefined) return [name, value]
      const each = (value.dims[axis] ?? size) / size
      return [name, sliceValue(value, axis, from * each, to * each)]
    }),
  )
}

/** May an axis of this length hold `size` samples? Only the first may hold several rows of each. */
function isMultiple(length: number | undefined, size: number, exactly: boolean): boolean {
  return length !== undefined && length > 0 && (exactly ? length === size : length % size === 0)
}
