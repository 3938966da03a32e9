// From the words of a recipe to the terms of a loss, and to optimiser and schedule.
import { InputError, UsageError } from '../base/index.ts'
import { readModelFile } from '../onnx/index.node.ts'
import { isOp, type Model } from '../onnx/index.ts'
import type { Runtime, Values } from '../runtime/index.ts'
import {
  adam,
  constant,
  cosine,
  crossEntropy,
  distillation,
  features,
  type LossTerm,
  meanSquare,
  muon,
  type Optimizer,
  outputSquares,
  type Schedule,
  sgd,
  sharedFeatures,
  stepwise,
  userLoss,
  warmUp,
} from '../train/index.ts'
import type { FinetuneRecipe } from './recipe.ts'

export interface ChosenLoss {
  readonly terms: readonly LossTerm[]
  readonly needsTeacher: boolean
  /** Inner tensors are kept near the teacher's. */
  readonly matched: boolean
}

/**
 * The loss that a recipe asks for.
 * @throws InputError when it needs labels that are not there; UsageError when the model would be its own teacher
 */
export async function lossOf(
  runtime: Runtime,
  recipe: FinetuneRecipe,
  model: Model,
  hasLabels: boolean,
  teaching: Teaching,
): Promise<ChosenLoss> {
  const word = recipe.loss ?? (hasLabels ? 'cross-entropy' : 'distill')
  const matches = await matchesOf(runtime, recipe, model, teaching)
  const matched = matches.length > 0
  const { smoothing } = recipe
  const temperature = recipe.temperature ?? (recipe.teacher === undefined || recipe.qat ? 1 : SOFT)
  if (recipe.lossGraph !== undefined) {
    const graph = await readModelFile(recipe.lossGraph)
    const teaches = graph.graph.inputs.some(({ name }) => name.startsWith('teacher:')) || matched
    return { terms: [userLoss(runtime, graph), ...matches], needsTeacher: teaches, matched }
  }
  if (word === 'cross-entropy') {
    if (!hasLabels)
      throw new InputError(
        `${recipe.data} has no labels, and the cross entropy needs them; give --labels FILE, or --loss distill`,
      )
    const alpha = recipe.alpha ?? (recipe.qat || recipe.teacher !== undefined ? 0.5 : 1)
    const task = alpha > 0 ? [crossEntropy({ weight: alpha, smoothing })] : []
    const taught = alpha < 1 ? [distillation({ weight: 1 - alpha, temperature })] : []
    return { terms: [...task, ...taught, ...matches], needsTeacher: matched || taught.length > 0, matched }
  }
  if (recipe.teacher === undefined && !recipe.qat)
    throw new UsageError(
      'a float model cannot learn from itself: give --teacher FLOAT.onnx, or labels with --labels, or --qat',
    )
  const term =
    word === 'distill' && isClassifier(model, hasLabels) ? distillation({ temperature }) : distance(model, teaching)
  return { terms: [term, ...matches], needsTeacher: true, matched }
}

/** Of several outputs that the teacher has too all count. */
function distance(model: Model, { teacher }: Teaching): LossTerm {
  const taught = new Set(teacher.graph.outputs.map(({ name }) => name))
  const several = model.graph.outputs.length > 1 && model.graph.outputs.every(({ name }) => taught.has(name))
  return several ? outputSquares() : meanSquare()
}

/** Temperature with a teacher of another build: a compressed model learns more from how it ranks the wrong classes. */
const SOFT = 4

/** The teacher, and a sample that both models are run on to see what they share. */
export interface Teaching {
  readonly teacher: Model
  readonly sample: Values
}

/** Inner tensors by name, and "auto": those that model and teacher share. */
async function matchesOf(
  runtime: Runtime,
  { match, matchWeight: weight }: FinetuneRecipe,
  model: Model,
  { teacher, sample }: Teaching,
): Promise<LossTerm[]> {
  const named = match.filter((value) => value !== AUTO).map((value) => meanSquare({ value, weight }))
  if (!match.includes(AUTO)) return named
  const values = await sharedFeatures(runtime, model, teacher, sample)
  return values.length > 0 ? [...named, features({ values, weight })] : named
}

const AUTO = 'auto'

/** Labels, or a Softmax at the end; of other models the outputs themselves are compared. */
function isClassifier(model: Model, hasLabels: boolean): boolean {
  const output = model.graph.outputs[0]?.name
  return hasLabels || model.graph.nodes.some((node) => isOp(node, 'Softmax') && node.outputs[0] === output)
}

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
const HELD = 0.003

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
  if (optimizer === 'muon') return { rate: matched ? HELD : ALL_DIRECTIONS, relative: true }
  const moved = recipe.flip || recipe.mix || recipe.shift > 0
  return { rate: moved && recipe.teacher !== undefined ? 2 * CAREFUL : CAREFUL, relative: true }
}
