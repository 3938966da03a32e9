// The graph that ONNX Runtime really runs: saved by the runtime into a temporary file, read by our own reader.
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withTemporary } from '../onnx/index.node.ts'
import { type Model, readModel } from '../onnx/index.ts'
import type { Runtime } from './session.ts'

/** The optimised graph of a model at the level that deployment uses. */
export async function optimizedGraph(runtime: Runtime, model: Model | Uint8Array, label?: string): Promise<Model> {
  return withTemporary(await mkdtemp(join(tmpdir(), 'onnxpress-')), async (folder) => {
    const optimizedPath = join(folder, 'optimized.onnx')
    const session = await runtime.open(model, { optimization: 'all', optimizedPath, ...(label ? { label } : {}) })
    await session.close()
    return readModel(await readFile(optimizedPath), { file: 'the optimised graph' })
  })
}
