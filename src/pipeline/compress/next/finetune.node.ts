// compress --finetune: the compressed model is trained with the original as teacher.
import { type Model, writeModel } from '../../../onnx/index.ts'
import { type CompressRecipe, type FinetuneRecipe, parseRecipe } from '../../../recipe/index.ts'
import { finetuneModel } from '../../finetune.node.ts'
import { defaultOutput } from '../../output.node.ts'
import type { NextStep } from './next-step.node.ts'
import { sameSamples } from './same-samples.node.ts'

/** Weight of inner tensors beside the divergence of the answers: it counts for most of the loss (docs/training.md). */
const MATCHED = 400

/** Colour pictures move by up to this share of their shorter side. */
const SHIFT = 1 / 8

/**
 * Trains a compressed model into `<file>.tuned.onnx` beside it. The inner tensors are kept near the original's, which says far more
 * of each sample than its answer does. On colour pictures the original alone teaches, and sees each
 * picture mirrored and moved as the compressed model does: few samples would soon be known by heart (arXiv 2106.05237).
 * @param original the teacher
 */
export function finetuneStep(recipe: CompressRecipe, original: Model): NextStep {
  return {
    run: async (runtime, { model, file }, watch) => {
      const next = parseRecipe('finetune', {
        ...{ ...(await sameSamples(recipe)), epochs: recipe.finetune, teacher: recipe.model },
        ...{ optimizer: 'muon', match: ['auto'], matchWeight: MATCHED },
        ...movedPictures(model),
        ...{ model: file, output: defaultOutput(file, 'tuned') },
      })
      const given = { model, sizeBytes: writeModel(model).byteLength, teacher: original }
      const tuned = await finetuneModel(runtime, next, given, watch)
      return { model: tuned.model, file: tuned.output, runs: { tuned } }
    },
  }
}

/** For a model of one colour picture: losses without labels, pictures mirrored and moved. */
export function movedPictures({ graph }: Model): Pick<Partial<FinetuneRecipe>, 'loss' | 'flip' | 'shift'> {
  const [channels, ...map] = graph.inputs[0]?.shape?.slice(1).map(Number) ?? []
  const side = Math.min(...map)
  if (graph.inputs.length !== 1 || channels !== 3 || map.length !== 2 || !Number.isFinite(side)) return {}
  return { loss: 'distill', flip: true, shift: Math.round(SHIFT * side) }
}
