// Rows of numbers of many values side by side in one output: reductions of large maps, made as soon as the maps are there.
import { type GraphEditor, intAttr } from '../onnx/index.ts'
import { joinValues } from '../runtime/index.ts'
import { groupsOf } from './pieces.ts'

/** Where the numbers of a value lie: in rows of `width`, from column `from` on. */
export interface Place {
  readonly output: string
  readonly from: number
  readonly width: number
}

interface Piece {
  readonly value: string
  readonly columns: number
  /** Elements of what it was reduced from. */
  readonly elements: number
  readonly take: (place: Place) => void
}

/** Collects values [rows, columns, 1, …]; only those of as many rows can lie side by side. */
export class JoinedRows {
  readonly #editor: GraphEditor
  readonly #pieces = new Map<string, Piece[]>()

  constructor(editor: GraphEditor) {
    this.#editor = editor
  }

  /** @param rows the same for values that have as many rows; `take` is told where the numbers lie, once all are known */
  add(rows: string, piece: Piece): void {
    const flat = this.#editor.freshName(`${piece.value}/flat`)
    const attributes = { axis: intAttr(1) }
    this.#editor.addNode({ opType: 'Flatten', inputs: [piece.value], outputs: [flat], attributes })
    this.#pieces.set(rows, [...(this.#pieces.get(rows) ?? []), { ...piece, value: flat }])
  }

  /** Adds the outputs. */
  finish(): void {
    for (const pieces of this.#pieces.values()) {
      const groups = groupsOf(pieces).map((group) => group.map(({ value }) => value))
      const output = joinValues(this.#editor, groups, { name: 'onnxpress/rows', dtype: 'float32', axis: 1 })
      const width = pieces.reduce((sum, { columns }) => sum + columns, 0)
      let from = 0
      for (const { columns, take } of pieces) {
        take({ output, from, width })
        from += columns
      }
    }
  }
}
