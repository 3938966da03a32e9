// The graph that ONNX Runtime really runs: saved by the runtime into a temporary file, read by our own reader.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Model, readModel } from '../onnx/index.ts'
import type { Runtime } from './session.ts'

/** The optimised graph of a model at the level that deployment uses. */
export async function optimizedGraph(runtime: Runtime, model: Model | Uint8Array, label?: string): Promise<Model> {
  const folder = await mkdtemp(join(tmpdir(), 'onnxpress-'))
  try {
    const optimizedPath = join(folder, 'optimized.onnx')
    const session = await runtime.open(model, { optimization: 'all', optimizedPath, ...(label ? { label } : {}) })
    await session.close()
    return readModel(await readFile(optimizedPath), { file: 'the optimised graph' })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
