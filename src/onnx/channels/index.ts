// Channels followed through the whole graph.
export { anyBounds, bothBounds, boundsRules, layerBounds, seesBorder } from './bounds.ts'
export type { ChannelMap } from './channel-map.ts'
export { type ChannelGraph, channelGraph } from './channels.ts'
export { type ChannelFacts, type FlowRules, flowChannels } from './flow.ts'
export { headedValues } from './heads.ts'
export type { LayerChannels } from './layer-rule.ts'
export type { ChannelCarrier, ChannelClip, ChannelPurpose } from './scope.ts'
export { UnionFind } from './union-find.ts'
