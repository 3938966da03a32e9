// Element types of the values of a model, by name.
import { type DType, inferTypes, type Model } from '../onnx/index.ts'

/**
 * Element types of all tensors of the main graph: declared ones, and those that follow from the operators. Sequences and what
 * only ONNX Runtime knows have none (see `declareTypes`).
 */
export function typesOf({ graph }: Model): Map<string, DType> {
  const types = new Map<string, DType>()
  for (const [name, { dtype, inside }] of inferTypes(graph)) if (inside.length === 0 && dtype) types.set(name, dtype)
  return types
}
