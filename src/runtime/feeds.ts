// Checking what is fed to a model before ONNX Runtime sees it: it accepts unknown names without a word.
import { InputError, sizeOf } from '../base/index.ts'
import { type Dim, type Model, printValue, type ValueInfo } from '../onnx/index.ts'
import type { Values } from './session.ts'

/**
 * Checks names, element types and shapes of feeds against the declared inputs.
 * @throws InputError naming the input, got and expected
 */
export function checkFeeds(inputs: readonly ValueInfo[], feeds: Values): void {
  const names = inputs.map((input) => input.name)
  for (const name of Object.keys(feeds))
    if (!names.includes(name))
      throw new InputError(`the model has no input "${name}"; its inputs are ${names.join(', ')}`, { tensor: name })
  for (const input of inputs) {
    const value = feeds[input.name]
    if (!value)
      throw new InputError(`input "${input.name}" got no value; the model expects ${printValue(input)}`, {
        tensor: input.name,
      })
    const got = `${value.dtype}[${value.dims}]`
    if (input.dtype && input.dtype !== value.dtype)
      throw new InputError(`input "${input.name}" got ${got}, the model expects ${printValue(input)}`, {
        tensor: input.name,
      })
    if (input.shape && !fits(input.shape, value.dims))
      throw new InputError(`input "${input.name}" got ${got}, the model expects ${printValue(input)}`, {
        tensor: input.name,
      })
    if (value.data.length !== sizeOf(value.dims))
      throw new InputError(
        `input "${input.name}" has ${value.data.length} values, its shape [${value.dims}] needs ${sizeOf(value.dims)}`,
      )
  }
}

function fits(declared: readonly Dim[], dims: readonly number[]): boolean {
  return declared.length === dims.length && declared.every((dim, axis) => typeof dim !== 'number' || dim === dims[axis])
}

/** The batch size a model is fixed to by its first input's first dimension, or undefined when it is free. */
export function fixedBatch(model: Model): number | undefined {
  const first = model.graph.inputs[0]?.shape?.[0]
  return typeof first === 'number' ? first : undefined
}
