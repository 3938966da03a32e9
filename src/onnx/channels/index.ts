// Channels followed through the whole graph.
export { type ChannelGraph, channelGraph } from './channels.ts'
export type { LayerChannels } from './layer-rule.ts'
export type { ChannelCarrier, ChannelClip, ChannelPurpose } from './scope.ts'
