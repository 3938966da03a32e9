// Room for biases: int32 codes have steps of input scale × weight scale, and training must not make them too small.
import type { Model } from '../../onnx/index.ts'
import { layersIn, leastScaleFor, type Plan } from '../../quantize/index.ts'
import { scaleNames } from './grids.ts'

/** A layer's bias, and the scales that make its grid. */
interface BiasGrid {
  readonly bias: string
  readonly first: Float32Array
  readonly weightScale: string
  readonly inputScale: string
  readonly firstInputScale: number
}

/**
 * Raises weight scales under which a bias would not fit int32, as the plan of a quantisation does: the bias, its input's scale
 * or the weight's own may have moved. Call it after each step, and once before the first.
 */
export function biasRoom(model: Model, plan: Plan): (values: ReadonlyMap<string, Float32Array>) => void {
  const grids = layersIn(model, plan.weights).flatMap(({ name, node, bias }): BiasGrid[] => {
    const input = plan.placement.tensors.get(node.inputs[0] ?? '')?.gridOf
    const firstInputScale = input === undefined ? undefined : plan.activations.get(input)?.params.scale[0]
    if (!bias || input === undefined || firstInputScale === undefined) return []
    return [
      {
        bias: node.inputs[2] ?? '',
        first: bias.floats(),
        weightScale: scaleNames.weight(name),
        inputScale: scaleNames.activation(input),
        firstInputScale,
      },
    ]
  })
  return (values) => {
    for (const { bias, first, weightScale, inputScale, firstInputScale } of grids) {
      const scale = values.get(weightScale)
      if (!scale) continue
      const step = values.get(inputScale)?.[0] ?? firstInputScale
      for (const [channel, value] of (values.get(bias) ?? first).entries()) {
        const own = scale.length === 1 ? 0 : channel
        scale[own] = Math.max(scale[own] ?? 0, leastScaleFor(value, step))
      }
    }
  }
}
