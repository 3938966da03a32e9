// One step of an optimiser over all trained arrays: element by element here, directions of matrices in ONNX Runtime.
import type { Runtime } from '../../runtime/index.ts'
import type { TrainState } from '../loop/state.ts'
import { isMatrix, type Parameter } from '../parameters.ts'
import type { Floats, Optimizer, Step } from './optimizer.ts'
import { withOrthogonal } from './orthogonal.ts'

/** Changes the values and moments of a state along the gradients; `stepOf` says how far each array goes. */
export type TakeStep = (
  state: Pick<TrainState, 'values' | 'moments'>,
  gradients: ReadonlyMap<string, Float32Array>,
  stepOf: (parameter: Parameter) => Step,
) => Promise<void>

/** Opens what an optimiser needs, hands its steps to `work`, and closes it. */
export async function withSteps<T>(
  runtime: Runtime,
  optimizer: Optimizer,
  parameters: readonly Parameter[],
  work: (take: TakeStep) => Promise<T>,
): Promise<T> {
  const { direction } = optimizer
  const matrices = direction ? parameters.filter(isMatrix) : []
  return withOrthogonal(runtime, matrices, (orthogonalize) =>
    work(async ({ values, moments }, gradients, stepOf) => {
      const directions = new Map<string, Float32Array>()
      for (const parameter of parameters) {
        const { name } = parameter
        const array = values.get(name)
        const gradient = gradients.get(name)
        if (!array || !gradient) continue
        const turned = direction !== undefined && isMatrix(parameter)
        let kept = moments.get(name)
        if (!kept) {
          kept = Array.from({ length: turned ? 1 : optimizer.moments }, () => new Float32Array(array.length))
          moments.set(name, kept)
        }
        if (turned && kept[0]) directions.set(name, direction(gradient, kept[0]))
        else optimizer.update(array, gradient, kept, stepOf(parameter))
      }
      if (directions.size === 0) return
      const orthogonal = await orthogonalize(directions)
      for (const parameter of matrices) {
        const array = values.get(parameter.name)
        const along = orthogonal.get(parameter.name)
        if (array && along) follow(array, along, stepOf(parameter))
      }
    }),
  )
}

/** w ← (1 − η·λ)·w − η·d. */
function follow(values: Floats, direction: Floats, { rate, decay }: Step): void {
  const shrink = 1 - rate * decay
  for (let i = 0; i < values.length; i++) values[i] = values[i]! * shrink - rate * direction[i]!
}
