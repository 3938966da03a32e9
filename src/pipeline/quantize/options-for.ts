// The options of a quantisation from its recipe and the model's opset.
import { UnsupportedError } from '../../base/index.ts'
import { type Model, opsetOf } from '../../onnx/index.ts'
import { type Encodings, type QuantizeOptions, quantizeDefaults, targetOf } from '../../quantize/index.ts'
import type { QuantizeRecipe } from '../../recipe/index.ts'
import { convertOpsetTo, type Pass, workingPasses } from '../../rewrite/index.ts'

/** Weights that share a scale in a recipe; undefined where each channel has one. */
export function blockOf({ mode, block, weightBits, weightForm }: QuantizeRecipe): number | undefined {
  const usual = weightForm === 'bnb4' ? 64 : 32
  return mode === 'weights' ? (block ?? (weightBits === 4 ? usual : undefined)) : undefined
}

/** Does it need an opset with grids of 16 and 4 bits and of float16? */
export const isWide = (recipe: QuantizeRecipe, encodings?: Encodings): boolean =>
  recipe.activationType.endsWith('16') ||
  (typeof recipe.overrides === 'object' && Object.values(recipe.overrides).some(({ type }) => type?.endsWith('16'))) ||
  encodings?.grids.some(({ bits }) => bits === 16) ||
  recipe.weightStorage === 'int4' ||
  recipe.float16 ||
  (recipe.weightForm === 'onnx' && (blockOf(recipe) !== undefined || recipe.embeddings === 4))

/** The rewrites that every quantisation begins with, up to the opset that its types need. */
export function passesFor(recipe: QuantizeRecipe, encodings?: Encodings): readonly Pass[] {
  if (!isWide(recipe, encodings)) return workingPasses
  const { wide } = targetOf(recipe.target).opsets
  return workingPasses.map((pass) => (pass.name === 'convert-opset' ? convertOpsetTo(wide) : pass))
}

/** Options for a model at its opset, which must be one at which the target reads the grids. */
export function optionsFor(
  model: Model,
  recipe: QuantizeRecipe,
  notes: string[],
  encodings?: Encodings,
): QuantizeOptions {
  const opset = opsetOf(model)
  const target = targetOf(recipe.target)
  const { activationType, range, exclude, only, weightBits, keep8bit, embeddings } = recipe
  const wide = isWide(recipe, encodings)
  const needed = wide ? target.opsets.wide : target.opsets.grid
  if (opset < needed)
    throw new UnsupportedError(
      `${recipe.model} is at opset ${opset} and could not be converted; ${wide ? '16-bit activations, int4 weights and blocks in plain ONNX' : `${activationType} activations`} need opset ${needed}: export it again with a newer opset`,
    )
  let { weights } = recipe
  if (opset < target.opsets.perChannel && weights === 'per-channel') {
    notes.push(
      `the model stays at opset ${opset}, which has no grids per channel: its weights are quantised per tensor`,
    )
    weights = 'per-tensor'
  }
  const given = { activationType, range, exclude, only, weightBits, keep8bit, embeddings }
  const overrides = typeof recipe.overrides === 'object' ? { overrides: recipe.overrides } : {}
  return { ...quantizeDefaults, ...given, ...overrides, target, weights }
}
