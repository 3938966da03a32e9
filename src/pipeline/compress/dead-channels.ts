// Dead channels go first, whatever the method: they cost nothing, and every budget is easier without them.
import type { Watch } from '../../base/index.ts'
import { CostBook, type CostModel, macs, removeDeadChannels } from '../../compress/index.ts'
import { channelGraph, type Model, type Shapes } from '../../onnx/index.ts'
import type { AppliedRewrite, AppliedRewrites } from '../../rewrite/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { Limits } from './problem.ts'

export interface Freed {
  readonly model: Model
  readonly shapes: Shapes
  readonly notes: readonly string[]
  readonly applied: readonly AppliedRewrite[]
}

/** The rewritten model without its dead channels; the model itself when there are none. */
export async function freeChannels(
  runtime: Runtime,
  { model, shapes, statistics }: AppliedRewrites,
  samples: { readonly fit: readonly Values[]; readonly sample: Values },
  { keepLayers, multiple, ...watch }: Pick<Limits, 'keepLayers' | 'multiple'> & Watch,
): Promise<Freed> {
  const nothing: Freed = { model, shapes, notes: [], applied: [] }
  const options = { ...watch, statistics, keepLayers, multiple }
  const dead = await removeDeadChannels(runtime, { model, feeds: samples.sample }, samples.fit, options)
  if (!dead) return nothing
  const share = costOfModel(dead.model, dead.shapes, macs) / costOfModel(model, shapes, macs)
  const what = `${dead.channels} channels that never change were taken out (${dead.certainty}): ${(100 * share).toFixed(1)} % of the multiplications are left`
  const row: AppliedRewrite = {
    name: 'remove-dead-channels',
    kind: dead.certainty === 'proved' ? 'exact' : 'bounded',
    kept: true,
    changes: [what],
    skipped: [],
    boundDb: 60,
    sqnrDb: dead.sqnrDb,
  }
  return { model: dead.model, shapes: dead.shapes, notes: [what], applied: [row] }
}

/** Cost of all layers of a model. */
export function costOfModel(model: Model, shapes: Shapes, cost: CostModel): number {
  return new CostBook({ model, shapes, graph: channelGraph(model, shapes, 'remove') }, cost).total
}
