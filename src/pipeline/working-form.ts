// The form in which a command works on a model, and the way back to the file: types of inputs and outputs, storage of weights.
import { inlineFunctions, type Model } from '../onnx/index.ts'
import { halfTypesOf, inFloat32, storeHalf, storeOnce, withTypesOf } from '../rewrite/index.ts'

/** A model to work on. */
export interface WorkingForm {
  readonly model: Model
  /** What was done to it, a sentence each. */
  readonly notes: readonly string[]
  /** Stores a result as the model that came: tensors once, weights in the half type that they had. */
  readonly stored: (result: Model) => Model
  /** Gives a result the inputs and outputs of the model that came. */
  readonly asGiven: (result: Model) => Model
}

/**
 * The form of a model that a command can work on. ONNX Runtime computes nothing in bfloat16 on a CPU: such a model becomes
 * float32 at once, and so does one of float16 for training; its inputs and outputs get their types back in the file.
 */
export function workingForm(given: Model, purpose: 'inference' | 'training'): WorkingForm {
  const plain = given.functions ? inlineFunctions(given).model : given
  const halves = halfTypesOf(plain)
  const [half] = [...halves].sort(([, a], [, b]) => b - a).map(([dtype]) => dtype)
  const converts = halves.has('bfloat16') || (purpose === 'training' && half !== undefined)
  const model = converts ? inFloat32(plain) : given
  const kept = withTypesOf(model, given) === model ? '' : '; its inputs and outputs keep their types in the file'
  return {
    model,
    notes: converts ? [`the ${half} model is worked on and compared in float32${kept}`] : [],
    stored: (result) => {
      const once = storeOnce.apply(result, { shapes: new Map(), statistics: new Map() }).model
      return half ? storeHalf(once, half) : once
    },
    asGiven: (result) => (converts ? withTypesOf(result, given) : result),
  }
}
