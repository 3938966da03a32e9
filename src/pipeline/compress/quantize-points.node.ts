// compress --then quantize: each result becomes int8 as well.
import type { Runtime } from '../../runtime/index.ts'
import { quantizeFile } from '../quantize.node.ts'
import { type CompressRecipe, parseRecipe, saidOf } from '../recipe.ts'
import type { ShareWatch } from '../samples.ts'
import type { CompressPoint } from './write-point.node.ts'

/** Quantises the file of each point into `<file>.int8.onnx` beside it. */
export async function quantizeAll(
  runtime: Runtime,
  recipe: CompressRecipe,
  points: readonly CompressPoint[],
  watch: ShareWatch,
): Promise<CompressPoint[]> {
  const { data, labels, val, preprocess, exif, seed, shape } = recipe
  const results: CompressPoint[] = []
  for (const point of points) {
    const given = {
      data,
      labels,
      val,
      preprocess,
      exif,
      seed,
      shape,
      model: point.tuned?.output ?? point.output,
    }
    const next = parseRecipe('quantize', saidOf(given))
    results.push({ ...point, quantized: await quantizeFile(runtime, next, watch) })
  }
  return results
}
