// Embeddings: tables whose rows are picked by index. Their codes are picked instead, each row with a scale of its own.
import type { QuantParams } from '../math/index.ts'
import {
  type DType,
  type Graph,
  type GraphEditor,
  intAttribute,
  isOp,
  type Layer,
  type Node,
  nodeName,
  opsetOf,
  Tensor,
} from '../onnx/index.ts'
import { isTransposed, relativesOf } from '../rewrite/index.ts'
import { codesOf } from './weight-codes.ts'

/** Bytes that an embedding must save: smaller ones are not worth their nodes. */
const WORTH_BYTES = 8192
/** Bytes of the nodes that turn codes into numbers. */
const NODE_BYTES = 1024

/** What decides which embeddings are quantised. */
export interface EmbeddingScope {
  readonly graph: Graph
  readonly types: ReadonlyMap<string, DType>
  /** Is a node left out by name? */
  readonly excluded: (node: Node) => boolean
  /** Layers whose weights become codes. */
  readonly layers: ReadonlyMap<Node, Layer>
}

/**
 * Gather nodes that pick rows of a constant float32 matrix, by that matrix. A matrix that something reads in float, too,
 * stays: codes beside it would make the file larger.
 */
export function embeddingsOf({ graph, types, excluded, layers }: EmbeddingScope): Map<Node, Tensor> {
  const found = new Map<Node, Tensor>()
  for (const node of graph.nodes) {
    const table = graph.initializers.get(node.inputs[0] ?? '')
    if (!table || !isOp(node, 'Gather') || excluded(node) || graph.initializers.has(node.inputs[1] ?? '')) continue
    const axis = intAttribute(node, 'axis', 0)
    const index = types.get(node.inputs[1] ?? '')
    const [rows = 0] = table.shape
    const fits =
      table.dtype === 'float32' && table.shape.length === 2 && (axis === 0 || axis === -2) && index?.startsWith('int')
    if (fits && 3 * table.size - 4 * rows - NODE_BYTES >= WORTH_BYTES) found.set(node, table)
  }
  const inner = graph.inputs.map(({ name }) => name)
  for (const [node, table] of [...found]) {
    const float = relativesOf(graph, table).some(
      ({ name, consumers }) =>
        inner.includes(name) ||
        consumers.some(
          (consumer) =>
            consumer === undefined ||
            !(found.has(consumer) || layers.get(consumer)?.weight === graph.initializers.get(name)),
        ),
    )
    if (float) found.delete(node)
  }
  return found
}

/** The matrices of embeddings, by the name of the Gather that picks their rows. */
export function tablesOf(graph: Graph, gathers: ReadonlySet<string>): Map<string, Tensor> {
  return new Map(
    graph.nodes.flatMap((node) => {
      const table = gathers.has(nodeName(node)) ? graph.initializers.get(node.inputs[0] ?? '') : undefined
      return table ? [[nodeName(node), table] as const] : []
    }),
  )
}

/** How a layer's weight and an embedding's matrix are the same numbers. */
export function tieOf(weight: Tensor, table: Tensor): 'same' | 'transposed' | undefined {
  if (weight === table) return 'same'
  const [rows, columns] = table.shape
  const turned = weight.shape.length === 2 && weight.shape[0] === columns && weight.shape[1] === rows
  return turned && weight.dtype === table.dtype && isTransposed(table, weight) ? 'transposed' : undefined
}

/** A scale for each row. */
export function rowGrid(table: Tensor): QuantParams {
  const [rows = 0, columns = 0] = table.shape
  const values = table.floats()
  const scale = new Float32Array(rows).fill(1)
  for (let row = 0; row < rows; row++) {
    let largest = 0
    for (let i = row * columns; i < (row + 1) * columns; i++) largest = Math.max(largest, Math.abs(values[i] ?? 0))
    const step = Math.fround(largest / 127)
    if (step >= 2 ** -126) scale[row] = step
  }
  return { dtype: 'int8', scale, zeroPoint: new Int32Array(rows), axis: 0 }
}

/**
 * Gather(table) becomes Gather(codes) → DequantizeLinear, and with a scale for each row → Mul(Gather(scales)):
 * DequantizeLinear knows no scale for each index.
 */
export function insertEmbedding(editor: GraphEditor, node: Node, table: Tensor, params: QuantParams): void {
  const [codesIn = '', ids = ''] = node.inputs
  const [output = ''] = node.outputs
  const name = nodeName(node)
  const perRow = params.axis !== undefined
  const stored = editor.addTensor(`${codesIn}/q`, codesOf(table, 'int8', params))
  const one = editor.addTensor(`${name}/scale`, Tensor.scalar(perRow ? 1 : (params.scale[0] ?? 1)))
  const zero = editor.addTensor(`${name}/zero_point`, Tensor.from('int8', [], [0]))
  const picked = editor.freshName(`${output}/q`)
  const plain = perRow ? editor.freshName(`${output}/plain`) : output
  editor.replaceNode(node, { opType: 'Gather', inputs: [stored, ids], outputs: [picked] })
  editor.addNode({ opType: 'DequantizeLinear', name: `${name}/dq`, inputs: [picked, one, zero], outputs: [plain] })
  if (!perRow) return
  const asInput = opsetOf(editor.model) >= 13
  const shape = asInput ? [params.scale.length] : [params.scale.length, 1]
  const scales = editor.addTensor(`${codesIn}/scale`, Tensor.from('float32', shape, params.scale))
  const steps = editor.freshName(`${output}/scale`)
  editor.addNode({ opType: 'Gather', name: `${name}/scale`, inputs: [scales, ids], outputs: [steps] })
  let factor = steps
  if (asInput) {
    // Stored as the layer's own scales are, where an output layer shares the table.
    factor = editor.freshName(`${output}/steps`)
    const last = editor.addTensor(`${name}/last`, Tensor.from('int64', [1], [-1]))
    editor.addNode({ opType: 'Unsqueeze', name: `${name}/steps`, inputs: [steps, last], outputs: [factor] })
  }
  editor.addNode({ opType: 'Mul', name: `${name}/scaled`, inputs: [plain, factor], outputs: [output] })
}
