// The graph that ONNX Runtime really runs: saved by the runtime into a temporary file, read by our own reader.
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InputError } from '../base/index.ts'
import { byteLengthOf, withTemporary } from '../onnx/index.node.ts'
import { type ExternalData, type Model, type Node, piecesOf, readModel } from '../onnx/index.ts'
import type { Runtime } from './session.ts'

/** Bytes of constants above which a model is optimised in pieces, and those of a piece. */
const WHOLE = 2 ** 28
const PIECE = 2 ** 27

/**
 * The optimised graph of a model at the level that deployment uses. A large model is optimised piece by piece: what ONNX Runtime would
 * fuse over the border of two pieces stands there unfused.
 */
export async function optimizedGraph(runtime: Runtime, model: Model | Uint8Array, label?: string): Promise<Model> {
  const pieces = model instanceof Uint8Array || byteLengthOf(model) <= WHOLE ? undefined : piecesOf(model, PIECE)
  if (model instanceof Uint8Array || !pieces) return optimizedWhole(runtime, model, label)
  const nodes: Node[] = []
  for (const { model: piece } of pieces) nodes.push(...(await optimizedWhole(runtime, piece, label, true)).graph.nodes)
  return { ...model, graph: { ...model.graph, nodes, initializers: new Map() } }
}

async function optimizedWhole(
  runtime: Runtime,
  model: Model | Uint8Array,
  label?: string,
  once = false,
): Promise<Model> {
  return withTemporary(await mkdtemp(join(tmpdir(), 'onnxpress-')), async (folder) => {
    const optimizedPath = join(folder, 'optimized.onnx')
    const session = await runtime.open(model, { optimization: 'all', optimizedPath, once, ...(label ? { label } : {}) })
    await session.close()
    return readModel(await readFile(optimizedPath), { file: 'the optimised graph', external: leftOutside })
  })
}

/** Weights of a model that was opened by path may stay in its data files, which are gone by now: nobody reads weights of this graph. */
function leftOutside({ location, offset, length }: ExternalData, tensor: string, expected: number | undefined) {
  const read = (): never => {
    throw new InputError(`the optimised graph has no bytes of tensor "${tensor}", which lies in ${location}`, {
      tensor,
    })
  }
  return { file: location, offset, byteLength: expected ?? length ?? 0, read }
}
