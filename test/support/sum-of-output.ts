// A loss for checks of gradients: it is as simple as one can be, and reaches everything that an output depends on.
import type { LossTerm } from '../../src/train/index.ts'

/** Σ of the first output. */
export const sumOfOutput: LossTerm = {
  name: 'total',
  weight: 1,
  build: ({ g, value, output }) =>
    g.sum(
      value(output),
      g.dims(value(output)).map((_, axis) => axis),
    ),
}
