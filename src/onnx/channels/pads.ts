// What a Pad does along the channel axis.
import { intsAttribute } from '../attributes.ts'
import type { Node } from '../model.ts'
import { onAxis, singleAxis } from './channel-map.ts'
import type { ChannelScope } from './scope.ts'

/** Channels that a Pad adds before and behind those of its input. */
export interface ChannelPads {
  readonly axis: number
  readonly ids: Int32Array
  readonly begin: number
  readonly end: number
}

/** The pads along the channels, or why they are not known. */
export function channelPads(scope: ChannelScope, node: Node): ChannelPads | string {
  const single = singleAxis(scope.map(node.inputs[0]))
  const rank = scope.dims(node.inputs[0])?.length ?? 0
  const pads = intsAttribute(node, 'pads') ?? scope.constants(node.inputs[1])?.numbers()
  if (!single || !pads) return 'pads a value whose channels are not followed'
  if (node.inputs[3]) return 'pads chosen axes'
  return { ...single, begin: pads[single.axis] ?? 0, end: pads[single.axis + rank] ?? 0 }
}

/** The output has new channels of its own at both ends. */
export function setPadded(scope: ChannelScope, node: Node, { axis, ids, begin, end }: ChannelPads): void {
  scope.set(node.outputs[0], onAxis(axis, Int32Array.of(...scope.sets.add(begin), ...ids, ...scope.sets.add(end))))
}
