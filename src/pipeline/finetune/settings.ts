// From the words of a recipe to how a training goes: optimiser, rate, schedule, epochs, what is done to samples.
import { UsageError } from '../../base/index.ts'
import type { FinetuneRecipe } from '../../recipe/index.ts'
import {
  type Augmentation,
  adam,
  constant,
  cosine,
  muon,
  type Optimizer,
  type Schedule,
  sgd,
  stepwise,
  type TrainableModel,
  warmUp,
} from '../../train/index.ts'

export function optimizerOf({ optimizer }: FinetuneRecipe): Optimizer {
  switch (optimizer) {
    case 'adam':
      return adam()
    case 'adamw':
      return adam({ decoupled: true })
    case 'muon':
      return muon()
    case 'sgd':
      return sgd()
    case 'momentum':
      return sgd({ momentum: 0.9 })
    case 'nesterov':
      return sgd({ momentum: 0.9, nesterov: true })
  }
}

/** Share of the steps over which the rate rises: Adam's first steps have full size in every weight, whatever its gradient. */
const WARM_UP = 0.05

/** The schedule of a training of so many steps in all. */
export function scheduleOf(recipe: FinetuneRecipe, epochs: number, steps: number): Schedule {
  const { schedule, fromScratch, warmUp: given = fromScratch ? 0 : Math.ceil(WARM_UP * steps) } = recipe
  const third = Math.max(1, Math.ceil(epochs / 3))
  const chosen = schedule === 'cosine' ? cosine() : schedule === 'step' ? stepwise(0.1, third) : constant
  return given > 0 ? warmUp(given, chosen) : chosen
}

/** Steps that a training takes at least, by default. */
const LEAST_STEPS = 600
const FEW_EPOCHS = 3
const MANY_EPOCHS = 100

/** Epochs over a number of samples: a small set is gone through more often. */
export function epochsOf({ epochs, batch }: FinetuneRecipe, samples: number): number {
  if (epochs !== undefined) return epochs
  return Math.min(MANY_EPOCHS, Math.max(FEW_EPOCHS, Math.ceil(LEAST_STEPS / Math.ceil(samples / batch))))
}

/** First step, as a share of a tensor's size. Beside a teacher that answers for moved samples nothing is learnt by heart: twice. */
const CAREFUL = 0.003
/** Muon's steps have this share in every direction, where Adam's partly cancel each other; more where inner tensors hold on. */
const ALL_DIRECTIONS = 0.001
const MATCHED = 0.003

/**
 * The learning rate, and what it means. One that was given is that of every weight. Without one Adam and Muon, whose steps have
 * the size of the rate, take a share of the size of each tensor; from scratch all have one size. `matched`: see `ChosenLoss`.
 */
export function ratesOf(
  recipe: FinetuneRecipe,
  { matched }: { readonly matched: boolean },
): { readonly rate: number; readonly relative: boolean } {
  const { optimizer } = recipe
  if (recipe.lr !== undefined) return { rate: recipe.lr, relative: false }
  if (optimizer !== 'muon' && !optimizer.startsWith('adam')) return { rate: 0.01, relative: false }
  if (recipe.fromScratch) return { rate: 0.001, relative: false }
  if (optimizer === 'muon') return { rate: matched ? MATCHED : ALL_DIRECTIONS, relative: true }
  const moved = recipe.flip || recipe.mix || recipe.shift > 0
  return { rate: moved && recipe.teacher !== undefined ? 2 * CAREFUL : CAREFUL, relative: true }
}

/** @throws UsageError when blended samples would need labels */
export function augmentationOf(
  { flip, shift, mix }: FinetuneRecipe,
  { graph }: TrainableModel,
): Augmentation | undefined {
  if (mix && graph.needs.labels)
    throw new UsageError('a blend of two samples has no label: --mix needs a loss without labels, --loss distill')
  return flip || mix || shift > 0 ? { flip, shift, mix } : undefined
}
