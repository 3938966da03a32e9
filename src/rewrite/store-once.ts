// What a file holds is stored once, and in its smallest form: the last pass, when nothing needs the weights in place any more.
import { byteLengthOf, type DType, type GraphEditor, isOp, opsetOf, type Tensor } from '../onnx/index.ts'
import { type Origin, originOf } from './constants/origins.ts'
import { WORTH_BYTES } from './constants/tied.ts'
import { editModel, type PassLog } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/** Elements that tell most matrices apart. */
const SPOTS = 32
/** What a node costs in the file: names and attributes. */
const NODE_BYTES = 128

/**
 * Stores a tensor once. Exact.
 * 1. A constant that fold-constants computed and nothing changed is computed again where that takes fewer bytes: float16 behind
 * Cast, ConstantOfShape, Expand, a weight that is read as it is and transposed. ONNX Runtime folds it when it loads the file.
 * 2. Equal initialisers become one. 3. One that is another transposed becomes a Transpose of it.
 */
export const storeOnce: Rewrite = defineRewrite({
  name: 'store-once',
  kind: 'exact',
  summary: 'stores a tensor once, and in its smallest form',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      unfold(editor, log, opsetOf(model))
      mergeEqual(editor, log)
      mergeTransposed(editor, log)
    }),
})

/** Computes folded constants again where their inputs take fewer bytes than they do, the largest first. */
function unfold(editor: GraphEditor, log: PassLog, opset: number): void {
  const { initializers } = editor.graph
  const stored = new Map<Tensor, string>()
  for (const [name, tensor] of initializers) if (!usableOrigin(tensor, opset)) stored.set(tensor, name)
  const folded = [...initializers].filter(([, tensor]) => usableOrigin(tensor, opset))
  for (const [name, tensor] of folded.toSorted(([, a], [, b]) => b.byteLength - a.byteLength)) {
    const cost = costOf(tensor, stored, opset)
    if (editor.isInput(name) || tensor.byteLength - cost < WORTH_BYTES) {
      stored.set(tensor, name)
      continue
    }
    initializers.delete(name)
    restore(editor, tensor, name, { stored, opset })
    stored.set(tensor, name)
    log.changes.push(
      `${name}: ${originOf(tensor)?.node.opType} again, which takes ${cost} bytes instead of ${tensor.byteLength}`,
    )
  }
}

/** A small constant is stored, whatever it was computed from. */
function usableOrigin(tensor: Tensor, opset: number): Origin | undefined {
  const origin = tensor.byteLength >= WORTH_BYTES ? originOf(tensor) : undefined
  return origin?.opset === opset ? origin : undefined
}

/** Bytes that computing a constant adds to a file that holds `stored`. */
function costOf(tensor: Tensor, stored: ReadonlyMap<Tensor, string>, opset: number): number {
  const needed = new Set<Tensor>()
  let nodes = 0
  const visit = (each: Tensor, first: boolean): void => {
    if (!first && (stored.has(each) || needed.has(each))) return
    const origin = usableOrigin(each, opset)
    if (!origin) {
      needed.add(each)
      return
    }
    nodes++
    for (const input of origin.inputs) if (input) visit(input, false)
  }
  visit(tensor, true)
  return [...needed].reduce((sum, { byteLength }) => sum + byteLength, nodes * NODE_BYTES)
}

/** Names of the tensors that a file holds, and its opset. */
interface StoredTensors {
  readonly stored: Map<Tensor, string>
  readonly opset: number
}

/** Puts the node back that computes a constant, and what it reads. */
function restore(editor: GraphEditor, tensor: Tensor, output: string, file: StoredTensors): void {
  const { stored, opset } = file
  const origin = usableOrigin(tensor, opset)
  if (!origin) return
  const inputs = origin.inputs.map((input, index): string => {
    if (!input) return ''
    const known = stored.get(input)
    if (known !== undefined) return known
    const name = usableOrigin(input, opset)
      ? editor.freshName(`${output}/${index}`)
      : editor.addTensor(`${output}/${index}`, input)
    stored.set(input, name)
    restore(editor, input, name, file)
    return name
  })
  const { opType, domain, name, attributes } = origin.node
  editor.addNode({ opType, domain, name, inputs, outputs: [output], attributes: Object.fromEntries(attributes) })
}

function mergeEqual(editor: GraphEditor, log: PassLog): void {
  const kept = new Map<string, { name: string; tensor: Tensor }[]>()
  for (const [name, tensor] of [...editor.graph.initializers]) {
    if (tensor.byteLength < WORTH_BYTES || tensor.strings || editor.isInput(name)) continue
    const key = `${tensor.dtype} ${tensor.shape} ${fingerprint(tensor.bytes)}`
    const others = kept.get(key) ?? []
    const same = others.find((other) => equal(other.tensor.bytes, tensor.bytes))
    if (same && !editor.isOutput(name) && !editor.isCaptured(name) && !areCodes(editor, name, same.name)) {
      editor.redirect(name, same.name)
      log.changes.push(`${name}: is ${same.name}`)
    } else kept.set(key, [...others, { name, tensor }])
  }
}

/**
 * Codes of two weights, or their zero points. Where ONNX Runtime has no exact kernel for them (x86-64 without VNNI, with
 * session.x64quantprecision) it makes uint8 of either on loading, each under its name, and fails on the second layer.
 */
function areCodes(editor: GraphEditor, ...names: readonly string[]): boolean {
  const isRead = (name: string) => editor.consumers(name).every((node) => isOp(node, 'DequantizeLinear'))
  return names.every((name) => editor.constant(name)?.dtype === 'int8' && isRead(name))
}

/** Matrices of whole bytes an element. A table whose rows are picked stays as it is, and the other is read transposed. */
function mergeTransposed(editor: GraphEditor, log: PassLog): void {
  const kept = new Map<string, { name: string; tensor: Tensor }[]>()
  const isTable = ([name]: [string, Tensor]) =>
    editor.consumers(name).some((node) => isOp(node, 'Gather') && node.inputs[0] === name)
  const all = [...editor.graph.initializers]
  for (const [name, tensor] of [...all.filter(isTable), ...all.filter((each) => !isTable(each))]) {
    const [rows = 0, columns = 0] = tensor.shape
    if (tensor.shape.length !== 2 || tensor.byteLength < WORTH_BYTES || editor.uses(name) === 0) continue
    if (Math.min(rows, columns) < 2 || tensor.strings || bytesEach(tensor.dtype) === undefined || editor.isInput(name))
      continue
    const others = kept.get(`${tensor.dtype} ${columns} ${rows} ${spots(tensor, true)}`) ?? []
    const same = others.find((other) => isTransposed(other.tensor, tensor) && !areCodes(editor, name, other.name))
    if (same) {
      editor.graph.initializers.delete(name)
      editor.addNode({ opType: 'Transpose', inputs: [same.name], outputs: [name] })
      log.changes.push(`${name}: is ${same.name}, transposed`)
    } else {
      const key = `${tensor.dtype} ${rows} ${columns} ${spots(tensor, false)}`
      kept.set(key, [...(kept.get(key) ?? []), { name, tensor }])
    }
  }
}

/** Some elements of a matrix, [n, m] or, of its transposed, [m, n] by the same places of both: most pairs differ in one of them. */
function spots({ dtype, shape, bytes }: Tensor, turned: boolean): string {
  const [rows = 0, columns = 0] = turned ? shape.toReversed() : shape
  const width = bytesEach(dtype) ?? 1
  return Array.from({ length: SPOTS }, (_, i) => {
    const [row, column] = [Math.floor((i * rows) / SPOTS), Math.floor((((i * 7) % SPOTS) * columns) / SPOTS)]
    const at = (turned ? column * rows + row : row * columns + column) * width
    return bytes.subarray(at, at + width).join()
  }).join(' ')
}

function bytesEach(dtype: DType): number | undefined {
  const two = byteLengthOf(dtype, 2)
  return two === undefined || two < 2 ? undefined : two / 2
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true
  if (a.byteLength !== b.byteLength) return false
  for (let i = 0; i < a.byteLength; i++) if (a[i] !== b[i]) return false
  return true
}

/** Is the second matrix [m, n] the first, [n, m], transposed? */
export function isTransposed(a: Tensor, b: Tensor): boolean {
  const [rows = 0, columns = 0] = b.shape
  const width = bytesEach(b.dtype) ?? 1
  const [own, other] = [a.bytes, b.bytes]
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      for (let byte = 0; byte < width; byte++)
        if (other[(row * columns + column) * width + byte] !== own[(column * rows + row) * width + byte]) return false
  return true
}

/** 64 bytes spread over the tensor: enough to tell most apart without reading them. */
function fingerprint(bytes: Uint8Array): string {
  const step = bytes.byteLength / 64
  return Array.from({ length: 64 }, (_, i) => bytes[Math.floor(i * step)]).join()
}
