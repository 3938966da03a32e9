// The opset that gradients are written in.

/** ScatterElements and ScatterND add up, and all reductions take their axes as an input, from this opset on. */
export const TRAINING_OPSET = 18
