// Weights as integers, activations by their range in each run: the same search as for static ranges, judged in its dynamic form.
import { UnsupportedError } from '../../base/index.ts'
import type { TensorStatistics } from '../../calibrate/index.ts'
import { layersOf, opsetOf } from '../../onnx/index.ts'
import { type QuantizeOptions, type Target, toDynamic } from '../../quantize/index.ts'
import { withIntegerLstms } from './integer-lstms.ts'
import { type ModeJob, needsSamples, type Produced } from './mode.ts'
import { quantizeAll } from './static-mode.ts'
import type { Source } from './technique.ts'

/** The first opset with DynamicQuantizeLinear. */
const LEAST_OPSET = 11

/** @throws UnsupportedError below opset 11 */
export async function quantizeDynamic(job: ModeJob): Promise<Produced> {
  const { model, recipe, material } = job
  if (opsetOf(model) < LEAST_OPSET)
    throw new UnsupportedError(
      `${recipe.model} is at opset ${opsetOf(model)} and could not be converted; --mode dynamic needs opset ${LEAST_OPSET}: export it again with a newer opset`,
    )
  const ranged = needsSamples(recipe) || material.stored !== undefined
  const options = ranged ? withoutIdleGrids(job) : matrixProductsOnly(job.options)
  const form = { written: toDynamic, ...(ranged ? {} : { withoutData: rangeless }) }
  return withIntegerLstms(job, await quantizeAll({ ...job, options }, form))
}

/** Where no convolution has a static grid, no operator between two products of matrices needs one. */
function withoutIdleGrids({ model, options }: ModeJob): QuantizeOptions {
  const spatial = layersOf(model).some(({ facts }) => facts.channels !== 'last')
  return spatial ? options : matrixProductsOnly(options)
}

function matrixProductsOnly(options: QuantizeOptions): QuantizeOptions {
  const ops = options.target.ops.filter(({ role, losesToActivation }) => role === 'layer' && losesToActivation)
  const target: Target = { ...options.target, ops }
  return { ...options, target }
}

/** No sample and no range: products of matrices need none, and everything else stays float. */
const rangeless: Source = {
  judges: false,
  proves: 'runs',
  notes: [
    'no samples: only products of matrices are quantised, which take their range from each run; nothing is compared',
  ],
  ranges: () => (wanted) => new Map(wanted.map((value) => [value, ANY])),
  channels: async () => new Map(),
  attempt: async () => undefined,
}

/** Any range will do where none is written. */
const ANY: TensorStatistics = { count: 1, nonFinite: 0, zeros: 0, min: -1, max: 1 }
