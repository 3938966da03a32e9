// Layers read the channels of their input and make new ones: where every chain of channels begins and ends.
import type { Layer } from '../layers.ts'
import { isOp } from '../model.ts'
import { onAxis } from './channel-map.ts'
import type { ChannelScope } from './scope.ts'

/** A layer between its channels: `input[i]` for each input channel over all groups, `output[o]` for each output channel. */
export interface LayerChannels {
  readonly layer: Layer
  readonly input: Int32Array
  readonly output: Int32Array
}

/** Channels around a layer; undefined for a weight without a view (a MatMul of rank 3 or with its constant on the left). */
export function passLayer(scope: ChannelScope, layer: Layer): LayerChannels | undefined {
  const { node, view } = layer
  const data = node.inputs[layer.weightIndex === 0 ? 1 : 0]
  const name = `${node.opType} ${layer.name}`
  if (!view) {
    scope.closeValue(data, `${name} has a weight that is no matrix on the right`)
    return undefined
  }
  const inDims = scope.dims(data)
  const outDims = scope.dims(node.outputs[0])
  const lastAxis = isOp(node, 'MatMul')
  const inAxis = lastAxis && inDims ? inDims.length - 1 : 1
  const count = view.inputsPerGroup * view.groups
  let input = scope.idsOn(data, inAxis)
  if (input?.length !== count) {
    const why = scope.map(data) ? `${name} reads them along another axis` : `what ${name} reads is not followed`
    scope.closeValue(data, why)
    input = scope.closedIds(count, why)
  }
  const output = scope.sets.add(view.outputs)
  const unknown = unfit(layer)
  if (unknown) scope.close(output, `${name}: ${unknown}`)
  if (scope.purpose === 'remove' && view.groups > 1) {
    if (view.inputsPerGroup === 1 && isOp(node, 'Conv')) {
      const multiplier = view.outputs / count
      for (let o = 0; o < view.outputs; o++) scope.sets.join(output[o] ?? 0, input[Math.floor(o / multiplier)] ?? 0)
    } else {
      scope.close(input, `${name} is a grouped convolution`)
      scope.close(output, `${name} is a grouped convolution`)
    }
  }
  const outAxis = lastAxis ? (outDims?.length ?? 0) - 1 : 1
  if (outAxis >= 1) scope.set(node.outputs[0], onAxis(outAxis, output))
  return { layer, input, output }
}

function unfit({ node, bias, weight, view }: Layer): string | undefined {
  if (!/^b?float/.test(weight.dtype)) return `its weight is ${weight.dtype}`
  if (node.inputs[2] && isOp(node, 'Conv', 'ConvTranspose', 'Gemm') && !bias) return 'its bias is no constant'
  if (bias && bias.size !== view?.outputs) return 'its bias is no vector'
  return undefined
}
