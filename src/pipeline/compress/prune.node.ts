// --method prune: channels by their energy, under a budget of multiplications.
import { RefusedError, UsageError } from '../../base/index.ts'
import {
  inputEnergy,
  inputMoments,
  macs as macsModel,
  planPruning,
  pruningGroups,
  wholeShape,
} from '../../compress/index.ts'
import { layersOf, macsOf } from '../../onnx/index.ts'
import type { CompressRecipe } from '../recipe.ts'
import type { Budget } from './budget.ts'
import { POSITIONS } from './curves.ts'
import type { Plan } from './plan.ts'
import type { PointContext } from './point.node.ts'

/**
 * One plan for each ratio.
 * @throws RefusedError when a ratio is out of reach, naming the nearest and the operators that hold channels back
 */
export async function prunePlans(context: PointContext, recipe: CompressRecipe, budget: Budget): Promise<Plan[]> {
  if (budget.kind !== 'macs') throw new UsageError(`--method prune takes --macs, got --${budget.kind}`)
  const { runtime, products, model, shapes, layers, samples, seed, progress, signal } = context
  const kept = new Set(recipe.keepLayer)
  const { groups, closed } = pruningGroups(model, shapes)
  const open = groups.filter(({ writers, readers }) => ![...writers, ...readers].some((name) => kept.has(name)))
  const energies = new Map<string, Float64Array>()
  if (recipe.plain) for (const layer of layers) energies.set(layer.name, inputEnergy(layer, undefined))
  else
    await inputMoments(
      runtime,
      products,
      model,
      layers,
      samples,
      { shapes, seed, perSample: POSITIONS, progress, signal },
      async (layer, moments) => {
        energies.set(layer.name, inputEnergy(layer, moments))
      },
    )
  const costs = new Map(layersOf(model).map((layer) => [layer.name, macsOf(layer, shapes) ?? 0]))
  for (const layer of layers) costs.set(layer.name, macsModel.cost(wholeShape(layer.geometry, layer.sizes)))
  return budget.ratios.map((ratio): Plan => {
    const plan = planPruning(model, shapes, open, energies, costs, ratio, recipe.multiple)
    if (typeof plan === 'number') {
      const held = closed.slice(0, 3).map(({ name, reason }) => `${name}: ${reason}`)
      throw new RefusedError(
        `${ratio} of the MACs cannot be reached by pruning: the nearest is ${(Math.ceil(plan * 1000) / 1000).toFixed(3)}${held.length > 0 ? `; channels that must stay: ${held.join('; ')}` : ''}`,
      )
    }
    return { choices: new Map(), losses: new Map(), ratio: plan.ratio, removed: plan.removed }
  })
}
