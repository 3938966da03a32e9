// Keeping inner tensors near the teacher's: which ones two models share, and the loss over them.
import { isFloat, layersOf, type Model, type Shapes } from '../../onnx/index.ts'
import { observeShapes, type Runtime, type Values } from '../../runtime/index.ts'
import type { LossTerm } from './terms.ts'

/** Tensors that are compared, at most: each is computed by the teacher and handed over at every step. */
const MOST = 16

export interface FeatureOptions {
  readonly weight?: number
  readonly values: readonly string[]
}

/**
 * Relative square distance of inner tensors to the teacher's, averaged over the tensors:
 * Σ (x − x_teacher)² / Σ x_teacher² over the samples that count ("hints", arXiv 1412.6550, section 2.1, without a regressor).
 */
export function features({ weight = 1, values }: FeatureOptions): LossTerm {
  return {
    name: 'inner tensors',
    weight,
    build: ({ g, value, teacher, sampleWeight }) => {
      const batch = g.dims(sampleWeight())[0] ?? 1
      const total = (x: string) => {
        const rows = g.reshape(g.times(x, x), [batch, g.size(x) / batch])
        return g.sum(g.times(g.sum(rows, [1]), sampleWeight()), [0])
      }
      const parts = values.map((name) => {
        const aim = teacher(name)
        return g.over(total(g.minus(value(name), aim)), g.plus(total(aim), g.scalar(1e-12)))
      })
      const [first = g.scalar(0), ...others] = parts
      return g.scaled(
        others.reduce((sum, part) => g.plus(sum, part), first),
        1 / Math.max(1, values.length),
      )
    },
  }
}

/**
 * Inner tensors that both models have, of one name and size: what the teacher's weighted layers read, a few of them, evenly
 * spaced over the network. `sample` is one sample of the data.
 */
export async function sharedFeatures(
  runtime: Runtime,
  model: Model,
  teacher: Model,
  sample: Values,
): Promise<readonly string[]> {
  const [own, aims] = [await observeShapes(runtime, model, sample), await observeShapes(runtime, teacher, sample)]
  const inputs = new Set(teacher.graph.inputs.map(({ name }) => name))
  const read = layersOf(teacher).map(({ node, weightIndex }) => node.inputs[weightIndex === 0 ? 1 : 0] ?? '')
  const shared = [...new Set(read)].filter((name) => !inputs.has(name) && isShared(own, aims, name))
  if (shared.length <= MOST) return shared
  return Array.from({ length: MOST }, (_, i) => shared[Math.round((i * (shared.length - 1)) / (MOST - 1))] ?? '')
}

/** Observed in both with one size, and one row a sample. */
function isShared(own: Shapes, aims: Shapes, name: string): boolean {
  const [a, b] = [own.get(name), aims.get(name)]
  return (
    a !== undefined &&
    b !== undefined &&
    isFloat(a.dtype) &&
    a.dims.length > 1 &&
    a.dims.join() === b.dims.join() &&
    (b.batchAxis ?? 0) === 0
  )
}
