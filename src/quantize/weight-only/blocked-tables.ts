// Tables whose rows are picked by index in blocks of 4 bits: com.microsoft GatherBlockQuantized, or plain ONNX. An output layer that
// reads the same table shares what is stored.
import type { Matrix } from '../../math/index.ts'
import { type GraphEditor, intAttr, type Layer, type Node, opsetOf, Tensor } from '../../onnx/index.ts'
import { tieOf } from '../embeddings.ts'
import { nearestCodes } from '../rounding/problem.ts'
import type { BlockedWeight } from './block-grids.ts'
import { hqqGrids } from './hqq.ts'
import { formatOf, inColumns, packed } from './pack-blocks.ts'

/** Tables in blocks by the names of the Gather nodes that read them, and the layers that share one. */
export interface BlockedTables {
  readonly tables: ReadonlyMap<string, BlockedWeight>
  readonly tied: ReadonlyMap<Layer, BlockedWeight>
}

/** Each table to codes of 4 bits; one whose rows are no whole number of blocks is left out. */
export function blockedTables(
  tables: ReadonlyMap<string, Tensor>,
  layers: readonly Layer[],
  block: number,
): BlockedTables {
  const known = new Map<Tensor, BlockedWeight>()
  const found = new Map<string, BlockedWeight>()
  const tied = new Map<Layer, BlockedWeight>()
  for (const [gather, table] of tables) {
    const [rows = 0, columns = 0] = table.shape
    if (columns % block !== 0) continue
    const weight = known.get(table) ?? nearest({ rows, columns, data: Float64Array.from(table.floats()) }, block)
    known.set(table, weight)
    found.set(gather, weight)
    for (const layer of tiedLayers(layers, table)) tied.set(layer, weight)
  }
  return { tables: found, tied }
}

/** The layers whose outputs are the rows of a table. */
export function tiedLayers(layers: readonly Layer[], table: Tensor): readonly Layer[] {
  return layers.filter(({ weight, view }) => {
    const tie = tieOf(weight, table)
    return tie !== undefined && view?.outputAxis === (tie === 'same' ? 0 : 1)
  })
}

function nearest(matrix: Matrix, block: number): BlockedWeight {
  const grids = hqqGrids(matrix, { block, bits: 4 })
  return { rows: matrix.rows, columns: matrix.columns, codes: nearestCodes(matrix, grids), grids }
}

/** Who has the codes, scales and zero points of a table already, by their names. */
export interface SharedTable {
  /** As a layer has them of the same weight. */
  readonly stored: readonly string[] | undefined
  /** As another Gather reads them. */
  readonly known: readonly string[] | undefined
}

/**
 * Gather of a float table becomes GatherBlockQuantized of its codes.
 * @returns the names that it reads
 */
export function insertPackedTable(
  editor: GraphEditor,
  gather: Node,
  weight: BlockedWeight,
  { stored, known }: SharedTable,
): readonly string[] {
  const [table = '', ids = ''] = gather.inputs
  const rows = Tensor.from('int64', [2], [weight.rows, -1])
  const made = () =>
    stored
      ? stored.map((name) => {
          const behind = editor.freshName(`${name}/rows`)
          const inputs = [name, editor.addTensor(`${table}/rows`, rows)]
          editor.addNode({ opType: 'Reshape', inputs, outputs: [behind] })
          return behind
        })
      : Object.entries(packed(weight, opsetOf(editor.model), 'rows')).map(([part, tensor]) =>
          editor.addTensor(`${table}/${part}`, tensor),
        )
  const names = known ?? made()
  const [codes = '', scale = '', zero = ''] = names
  editor.replaceNode(gather, {
    opType: 'GatherBlockQuantized',
    domain: 'com.microsoft',
    inputs: [codes, ids, scale, zero],
    outputs: gather.outputs,
    attributes: {
      bits: intAttr(formatOf(weight).bits),
      block_size: intAttr(formatOf(weight).block),
      quantize_axis: intAttr(1),
      gather_axis: intAttr(0),
    },
  })
  return names
}

/** The whole table behind DequantizeLinear with blocks (opset 21), in plain ONNX. */
export function insertPlainTable(editor: GraphEditor, hint: string, weight: BlockedWeight): string {
  const names = Object.entries(inColumns(weight, opsetOf(editor.model))).map(([part, tensor]) =>
    editor.addTensor(`${hint}/${part}`, tensor),
  )
  const behind = editor.freshName(`${hint}/dq`)
  const attributes = { axis: intAttr(1), block_size: intAttr(formatOf(weight).block) }
  editor.addNode({ opType: 'DequantizeLinear', inputs: names, outputs: [behind], attributes })
  return behind
}
