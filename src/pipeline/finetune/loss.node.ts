// From the words of a recipe to the terms of a loss.
import { InputError, UsageError } from '../../base/index.ts'
import { readModelFile } from '../../onnx/index.node.ts'
import { isOp, type Model } from '../../onnx/index.ts'
import type { FinetuneRecipe } from '../../recipe/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import {
  crossEntropy,
  distillation,
  features,
  type LossTerm,
  meanSquare,
  outputSquares,
  sharedFeatures,
  userLoss,
} from '../../train/index.ts'

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
  { hasLabels, ...teaching }: Teaching & { readonly hasLabels: boolean },
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
