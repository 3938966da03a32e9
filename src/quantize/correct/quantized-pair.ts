// What every comparison of a quantised model with its float one is given.
import type { Model, Shapes } from '../../onnx/index.ts'
import type { Plan } from '../plan.ts'

/** A float model and the Q/DQ model that was written from it: layers have the same names in both. */
export interface QuantizedPair {
  readonly float: Model
  readonly quantized: Model
}

/** The two with the observed shapes of the float model. */
export interface ShapedPair extends QuantizedPair {
  readonly shapes: Shapes
}

/** The two with the grids that were made for the float model and written into the other. */
export interface PlannedPair extends QuantizedPair {
  readonly plan: Plan
}
