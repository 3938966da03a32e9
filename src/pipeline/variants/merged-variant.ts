// One form of a merged decoder: its branches are quantised one after the other, by rules that look at the weights alone, so that what
// both read is stored once.
import type { Dataset } from '../../data/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { QuantizeRecipe } from '../../recipe/index.ts'
import { storeOnce } from '../../rewrite/index.ts'
import { CalibrationSamples } from '../quantize/calibration-samples.ts'
import type { Material, Produced } from '../quantize/mode.ts'
import { type Branches, branchesOf, joinBranches, type Side, sides } from './branches.ts'

/** Samples that tell how far values reach, of each branch. */
const MOST = 64

/** A merged decoder taken apart, with samples for each of its branches. */
export interface Merged {
  readonly branches: Branches
  readonly samples: Readonly<Record<Side, CalibrationSamples>>
}

/** Undefined where a model is no merged decoder, or the samples run through one of its branches alone. */
export async function mergedOf(model: Model, dataset: Dataset, fit: readonly number[]): Promise<Merged | undefined> {
  const branches = branchesOf(model)
  if (!branches) return undefined
  const through: Record<Side, number[]> = { then_branch: [], else_branch: [] }
  for (const index of fit) through[branches.sideOf((await dataset.sample(index)).inputs)].push(index)
  if (sides.some((side) => through[side].length === 0)) return undefined
  const of = (side: Side) => new CalibrationSamples(dataset, through[side].slice(0, MOST))
  return { branches, samples: { then_branch: of('then_branch'), else_branch: of('else_branch') } }
}

/** What becomes of both branches; undefined where they do not fit together any more. */
export async function producedMerged(
  whole: Model,
  { branches, samples }: Merged,
  recipe: QuantizeRecipe,
  produce: (recipe: QuantizeRecipe, material: Pick<Material, 'original' | 'samples'>) => Promise<Produced>,
): Promise<{ readonly model: Model; readonly float: Produced['float'] } | undefined> {
  const rounds = recipe.mode === 'weights' && recipe.weightForm !== 'bnb4' ? ({ rounding: 'hqq' } as const) : {}
  const alike: QuantizeRecipe = { ...recipe, effort: 'fast', ...rounds }
  const made = {} as Record<Side, Model>
  const float: Produced['float'][number][] = []
  for (const side of sides) {
    const part = await produce(alike, { original: branches.parts[side], samples: samples[side] })
    made[side] = storeOnce.apply(part.quantized, { shapes: new Map(), statistics: new Map() }).model
    float.push(...part.float.map((each) => ({ ...each, name: `${side}/${each.name}` })))
  }
  const model = joinBranches(whole, made)
  return model && { model, float }
}
