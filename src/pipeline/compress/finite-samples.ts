// Before anything is fitted: are the samples, and what the layers make of them, finite?
import type { Watch } from '../../base/index.ts'
import { calibrate } from '../../calibrate/index.ts'
import type { Batch } from '../../data/index.ts'
import { layersOf } from '../../onnx/index.ts'
import type { AppliedRewrites } from '../../rewrite/index.ts'
import { type Runtime, typesOf } from '../../runtime/index.ts'

/**
 * Runs the samples once and looks at the outputs of all layers: a NaN there makes every fit meaningless.
 * @throws InputError naming the sample, or what in the model makes it so
 */
export async function refuseNonFinite(
  runtime: Runtime,
  { model, shapes }: Pick<AppliedRewrites, 'model' | 'shapes'>,
  batches: readonly Batch[],
  watch: Watch,
): Promise<void> {
  const types = typesOf(model)
  const outputs = layersOf(model).map(({ node }) => node.outputs[0] ?? '')
  const requests = [...new Set(outputs)].filter((value) => types.get(value) === 'float32').map((value) => ({ value }))
  const total = batches.reduce((sum, batch) => sum + batch.size, 0)
  await calibrate(runtime, model, inOrder(batches), { ...watch, requests, shapes, total })
}

async function* inOrder(batches: readonly Batch[]): AsyncGenerator<Batch, void, void> {
  yield* batches
}
