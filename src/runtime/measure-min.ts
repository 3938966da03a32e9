// How long an integer Min with a bound for each channel takes on a tensor: what freeing a cap costs.
import { sizeOf } from '../base/index.ts'
import { median } from '../math/index.ts'
import { makeModel, makeNode, Tensor } from '../onnx/index.ts'
import { type Runtime, withSession } from './session.ts'

/** Median milliseconds of Min(uint8 [1, C, …], bounds [1, C, 1 …]). */
export async function measureIntegerMin(runtime: Runtime, dims: readonly number[]): Promise<number> {
  const shape = [1, ...dims.slice(1)]
  const bounds = shape.map((size, axis) => (axis === 1 ? size : 1))
  const model = makeModel({
    name: 'min',
    nodes: [makeNode({ opType: 'Min', inputs: ['x', 'bounds'], outputs: ['y'] })],
    initializers: { bounds: Tensor.from('uint8', bounds, new Uint8Array(sizeOf(bounds)).fill(200)) },
    inputs: [{ name: 'x', dtype: 'uint8', shape }],
    outputs: [{ name: 'y', dtype: 'uint8', shape }],
  })
  return withSession(runtime, model, { label: 'an integer Min' }, async (session) => {
    const x = { dtype: 'uint8' as const, dims: shape, data: new Uint8Array(sizeOf(shape)).fill(100) }
    const { milliseconds } = await runtime.time([session], [{ x }], { warmups: 3, rounds: 15, limitMs: 100 })
    return median(milliseconds[0] ?? [0])
  })
}
