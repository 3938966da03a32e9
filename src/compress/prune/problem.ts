// What plans of a pruning are made from.
import type { Model, Shapes } from '../../onnx/index.ts'
import type { PruningGroups } from './groups.ts'
import type { RankedGroup } from './order.ts'

/** What the pruning of one model starts from; many plans can be made of it. */
export interface PruningProblem extends PruningGroups {
  readonly model: Model
  readonly shapes: Shapes
  readonly ranked: readonly RankedGroup[]
  /** Channels that nothing reads: they go for free. */
  readonly free: ReadonlySet<number>
  readonly sets: readonly ReadonlySet<number>[]
  readonly notes: readonly string[]
}
