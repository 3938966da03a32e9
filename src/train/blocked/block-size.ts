// How many channels ONNX Runtime's blocked convolutions hold side by side on this machine: asked of the runtime itself.
import { intsAttr, type Model, makeModel, makeNode } from '../../onnx/index.ts'
import { type Runtime, withSession } from '../../runtime/index.ts'

/** Domain of the operators on blocked maps [N, C/B, H, W, B] (MLAS "NCHWc"). */
export const BLOCKED_DOMAIN = 'com.microsoft.nchwc'

const CHANNELS = 4
const asked = new WeakMap<Runtime, Promise<number>>()

/** Channels of a block: 8 or 16 on x86; 0 where the runtime has no blocked convolutions. */
export function blockSize(runtime: Runtime): Promise<number> {
  const known = asked.get(runtime) ?? ask(runtime)
  asked.set(runtime, known)
  return known
}

/** Four channels go in, and come out filled up to one block. */
async function ask(runtime: Runtime): Promise<number> {
  const dims = [1, CHANNELS, 1, 1]
  const data = Float32Array.from({ length: CHANNELS }, (_, i) => i + 1)
  try {
    return await withSession(runtime, probe(dims), { label: 'a test of the runtime' }, async (session) => {
      const { y } = await session.run({ x: { dtype: 'float32', dims, data } })
      const size = y?.data.length ?? 0
      const kept = data.every((value, i) => value === Number(y?.data[i]))
      return size > CHANNELS && kept ? size : 0
    })
  } catch {
    return 0
  }
}

/** ReorderInput and a Conv that hands every channel on. */
function probe(dims: readonly number[]): Model {
  const model = makeModel({
    name: 'block size',
    nodes: [
      makeNode({ opType: 'ReorderInput', domain: BLOCKED_DOMAIN, inputs: ['x'], outputs: ['b'] }),
      makeNode({
        opType: 'MaxPool',
        domain: BLOCKED_DOMAIN,
        inputs: ['b'],
        outputs: ['y'],
        attributes: { kernel_shape: intsAttr([1, 1]) },
      }),
    ],
    inputs: [{ name: 'x', dtype: 'float32', shape: dims }],
    outputs: [{ name: 'y', dtype: 'float32' }],
  })
  model.opsets.set(BLOCKED_DOMAIN, 1)
  return model
}
