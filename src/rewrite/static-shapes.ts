// What was observed in one run holds for every run only where the declared inputs leave nothing but the batch open.
import type { Model } from '../onnx/index.ts'

/** Are all input dimensions but the first fixed? */
export function hasStaticInputs(model: Model): boolean {
  return model.graph.inputs.every(
    (input) => input.shape?.every((dim, axis) => axis === 0 || typeof dim === 'number') ?? false,
  )
}
