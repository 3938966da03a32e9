// Where NaN or infinity came from: a sample, a weight, or the first tensor, in graph order, that is not finite.
import { InputError } from '../../base/index.ts'
import { nonFiniteValues } from '../../calibrate/index.ts'
import { nonFiniteKind } from '../../math/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { SampleStore } from './sample-store.ts'
import type { Arrays } from './state.ts'

/** Name of the first value that is not finite on these feeds; undefined: all are finite. */
export async function firstNonFinite(runtime: Runtime, model: Model, feeds: Values): Promise<string | undefined> {
  return (await nonFiniteValues(runtime, model, feeds)).keys().next().value
}

/**
 * @param weights as the model came, when nothing was trained yet
 * @throws InputError naming the sample and its input, or the weight, that is NaN or infinite
 */
export async function refuseNonFinite(store: SampleStore, places: readonly number[], weights: Arrays): Promise<void> {
  for (const place of places)
    for (const [name, { data }] of Object.entries((await store.get(place)).inputs)) {
      const kind = data instanceof Float32Array || data instanceof Float64Array ? nonFiniteKind(data) : undefined
      if (kind)
        throw new InputError(
          `tensor "${name}" is ${kind} for sample ${store.id(place)}; nothing can be trained on such values: check the sample and its preprocessing`,
          { tensor: name },
        )
    }
  for (const [name, values] of weights) {
    const kind = nonFiniteKind(values)
    if (kind)
      throw new InputError(
        `weight "${name}" holds ${kind === 'NaN' ? 'NaN' : 'infinite values'}: the model is at fault, not the samples; export it again`,
        { tensor: name },
      )
  }
}
