// Layers read the channels of their input and make new ones: where every chain of channels begins and ends.
import { dataInput, hasOpenBias, type Layer } from '../layers.ts'
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
  const data = dataInput(layer)
  const name = `${node.opType} ${layer.name}`
  if (!view) {
    scope.closeValue(data, `${name} has a weight that is not a matrix on the right`)
    return undefined
  }
  const inDims = scope.dims(data)
  const outDims = scope.dims(node.outputs[0])
  const lastAxis = layer.facts.channels === 'last'
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
  if (scope.purpose === 'remove' && view.groups > 1) tieGroups(scope, layer, input, output)
  const outAxis = lastAxis ? (outDims?.length ?? 0) - 1 : 1
  if (outAxis >= 1) scope.set(node.outputs[0], onAxis(outAxis, output))
  return { layer, input, output }
}

/**
 * Each group of a grouped layer must keep as many channels as the others. Either whole groups go, with what they read and
 * write (a depthwise layer is the case of one channel a group), or the channel at the same place of every group.
 */
function tieGroups({ sets }: ChannelScope, { facts, view }: Layer, input: Int32Array, output: Int32Array): void {
  if (!view) return
  const { groups, inputsPerGroup } = view
  const outputsPerGroup = view.outputs / groups
  const whole = goesByGroups(groups, inputsPerGroup, facts.window === 'spreads')
  const tie = (ids: Int32Array, perGroup: number) => {
    for (let i = 0; i < ids.length; i++) {
      const first = whole ? i - (i % perGroup) : i % perGroup
      sets.join(ids[i] ?? 0, ids[first] ?? 0)
    }
  }
  tie(input, inputsPerGroup)
  tie(output, outputsPerGroup)
  if (whole)
    for (let group = 0; group < groups; group++)
      sets.join(input[group * inputsPerGroup] ?? 0, output[group * outputsPerGroup] ?? 0)
}

/** Whole groups go where that leaves the finer choice; a grouped ConvTranspose has no other. */
function goesByGroups(groups: number, inputsPerGroup: number, transposed: boolean): boolean {
  return transposed || groups >= inputsPerGroup
}

function unfit(layer: Layer): string | undefined {
  const { bias, weight, view } = layer
  if (!/^b?float/.test(weight.dtype)) return `its weight is ${weight.dtype}`
  if (hasOpenBias(layer)) return 'its bias is not a constant'
  if (bias && bias.size !== view?.outputs) return 'its bias is not a vector'
  return undefined
}
