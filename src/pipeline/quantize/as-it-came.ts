// The model given as the result: nothing made of it is better.
import { layersOf, type Model, nodeName } from '../../onnx/index.ts'
import type { Produced } from './mode.ts'

/** The model as it came instead of what was made of it. What was tried stays in the report, each layer with the reason. */
export function asItCame(
  { shapes, ladder, float, speed }: Pick<Produced, 'shapes' | 'ladder' | 'float' | 'speed'>,
  original: Model,
  reason: string,
): Produced {
  const names = new Set(float.map(({ name }) => name))
  const layers = layersOf(original).flatMap(({ node }) => (names.has(nodeName(node)) ? [] : [nodeName(node)]))
  return {
    quantized: original,
    floatModel: original,
    shapes,
    plan: undefined,
    float: [...float, ...layers.map((name) => ({ name, reason }))],
    rewrites: [],
    ...(ladder ? { ladder } : {}),
    ...(speed ? { speed } : {}),
  }
}
