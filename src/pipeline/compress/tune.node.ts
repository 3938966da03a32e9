// compress --finetune: the compressed model is trained with the original as teacher.
import { UsageError, type Watch } from '../../base/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { type FinetuneRun, finetuneFile } from '../finetune.node.ts'
import { defaultOutput } from '../output.node.ts'
import { type CompressRecipe, parseRecipe } from '../recipe.ts'

/** Trains a compressed file into `<file>.tuned.onnx` beside it. */
export async function tuneCompressed(
  runtime: Runtime,
  recipe: CompressRecipe,
  compressed: string,
  watch: Watch,
): Promise<FinetuneRun> {
  const { data, labels, val, preprocess, exif, seed, shape, finetune: epochs, model: teacher } = recipe
  const given = {
    ...{ data, labels, val, preprocess, exif, seed, shape, epochs, teacher },
    command: 'finetune',
    model: compressed,
    output: defaultOutput(compressed, 'tuned'),
  }
  const next = parseRecipe(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)))
  if (next.command !== 'finetune') throw new UsageError('--finetune takes a number of epochs')
  return finetuneFile(runtime, next, watch)
}
