// Channel pruning: what can go, in which order, under which budget; taking it out; proof that what is left fits together.

export { channelsToKeep } from './channels-to-keep.ts'
export { CostBook } from './cost-book.ts'
export { type DeadChannels, removeDeadChannels } from './dead-channels.ts'
export { type ClosedLayer, type PruningGroup, type PruningGroups, pruningGroups } from './groups.ts'
export { type PruningOrder, pruningOrders } from './order.ts'
export type { PruningProblem } from './problem.ts'
export {
  cutAndRefit,
  outOfReach,
  type PruneChannelsOptions,
  type PrunedModel,
  preparePruning,
  pruneChannels,
  pruningPlans,
} from './prune-channels.ts'
export { keptOutputs, removeChannels, removedOutputs } from './remove-channels.ts'
