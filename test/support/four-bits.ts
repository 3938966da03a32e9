// A small model quantised to 4 bits, for what rounds weights anew.
import { calibrate } from '../../src/calibrate/index.ts'
import type { Model, Shapes } from '../../src/onnx/index.ts'
import {
  insertQdq,
  layersIn,
  makePlan,
  type Plan,
  place,
  quantizeDefaults,
  weightBitsOf,
} from '../../src/quantize/index.ts'
import { observeShapes, typesOf, type Values } from '../../src/runtime/index.ts'
import { testRuntime } from './rewrite-conformance.ts'

/** A model with weights of 4 bits in integers: the Q/DQ file and its plan, calibrated on batches of 8 samples. */
export async function fourBits(
  model: Model,
  batches: readonly Values[],
): Promise<{ readonly plan: Plan; readonly file: Model; readonly shapes: Shapes }> {
  const shapes = await observeShapes(await testRuntime(), model, batches[0] ?? {})
  const options = { ...quantizeDefaults, weightBits: 4 as const, keep8bit: ['none'] }
  const placement = place(model, options, typesOf(model))
  const requests = [...placement.tensors.values()].map(({ value }) => ({ value }))
  async function* stream() {
    for (const inputs of batches) yield { ids: Array.from({ length: 8 }, String), size: 8, inputs }
  }
  const statistics = await calibrate(await testRuntime(), model, stream(), {
    requests,
    shapes,
    total: 8 * batches.length,
  })
  const weightBits = weightBitsOf(layersIn(model, placement.layers), model.graph.nodes, options)
  const plan = makePlan(model, placement, { statistics, options, weightBits })
  return { plan, file: insertQdq(model, plan), shapes }
}
