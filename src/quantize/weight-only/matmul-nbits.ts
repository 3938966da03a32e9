// Weights of matrix products as blocks of 4 bits: MatMul and Gemm become com.microsoft MatMulNBits, which reads them as they are.
import { GraphEditor, intAttr, intAttribute, type Layer, type Model, type Shapes, Tensor } from '../../onnx/index.ts'
import { blocksOf, type RoundingGrids } from '../rounding/problem.ts'

/** A weight [outputs, inputs] in blocks of 4 bits. */
export interface BlockedWeight {
  readonly rows: number
  readonly columns: number
  /** Less their zero points, [rows, columns]. */
  readonly codes: Float64Array
  readonly grids: RoundingGrids
}

/** Why a layer's weight cannot lie in blocks (a clause), or undefined when it can. */
export function whyNotBlocked(
  { node, facts, view, weight, weightIndex, alpha, beta }: Layer,
  shapes: Shapes,
): string | undefined {
  if (facts.window) return `there is no kernel for ${node.opType} with weights of 4 bits`
  if (!view || weightIndex !== 1) return 'its weight is not a matrix on the right'
  if (weight.dtype !== 'float32') return `its weight is ${weight.dtype}`
  if ((shapes.get(node.inputs[0] ?? '')?.dims.length ?? 0) < 2) return 'its input is not a matrix'
  if (intAttribute(node, 'transA', 0) !== 0) return 'its left operand is transposed'
  return alpha !== 1 || beta !== 1 ? 'alpha or beta is not 1' : undefined
}

/** Replaces layers by MatMulNBits, and an Add for a Gemm's bias. Output names stay; a weight that two layers share is stored once. */
export function insertBlocked(
  model: Model,
  blocked: ReadonlyMap<Layer, BlockedWeight>,
  { accuracyLevel }: { readonly accuracyLevel: number },
): Model {
  if (blocked.size === 0) return model
  const editor = new GraphEditor(model)
  const byOutput = new Map(editor.nodes().map((node) => [node.outputs[0] ?? '', node]))
  const stored = new Map<BlockedWeight, readonly string[]>()
  for (const [layer, weight] of blocked) {
    const node = byOutput.get(layer.node.outputs[0] ?? '')
    if (!node) continue
    const [input = '', , bias = ''] = node.inputs
    const output = node.outputs[0] ?? ''
    const names =
      stored.get(weight) ??
      Object.entries(packed(weight)).map(([part, tensor]) => editor.addTensor(`${layer.name}/weight/${part}`, tensor))
    stored.set(weight, names)
    const product = bias === '' ? output : editor.freshName(`${output}/product`)
    editor.replaceNode(node, {
      opType: 'MatMulNBits',
      domain: 'com.microsoft',
      inputs: [input, ...names],
      outputs: [product],
      attributes: {
        K: intAttr(weight.columns),
        N: intAttr(weight.rows),
        bits: intAttr(4),
        block_size: intAttr(weight.grids.block ?? weight.columns),
        accuracy_level: intAttr(accuracyLevel),
      },
    })
    if (bias !== '') editor.addNode({ opType: 'Add', inputs: [product, bias], outputs: [output] })
  }
  const written = editor.finish()
  return {
    ...written,
    opsets: new Map([...written.opsets, ['com.microsoft', written.opsets.get('com.microsoft') ?? 1]]),
  }
}

/** Two codes a byte, the lower one first: codes [N, blocks, block / 2], scales [N · blocks], zero points [N, ⌈blocks / 2⌉]. */
function packed({
  rows,
  columns,
  codes,
  grids,
}: BlockedWeight): Readonly<Record<'q' | 'scale' | 'zero_point', Tensor>> {
  const { block, blocks } = blocksOf(grids, columns)
  const bytes = block / 2
  const own = new Uint8Array(rows * blocks * bytes)
  const zeroBytes = Math.ceil(blocks / 2)
  const zeros = new Uint8Array(rows * zeroBytes)
  for (let row = 0; row < rows; row++)
    for (let b = 0; b < blocks; b++) {
      const grid = row * blocks + b
      const zero = grids.zeroPoints?.[grid] ?? 0
      zeros[row * zeroBytes + (b >> 1)]! |= zero << (4 * (b & 1))
      for (let k = 0; k < block; k++) {
        const column = b * block + k
        const code = column < columns ? codes[row * columns + column]! + zero : zero
        own[grid * bytes + (k >> 1)]! |= code << (4 * (k & 1))
      }
    }
  return {
    q: Tensor.from('uint8', [rows, blocks, bytes], own),
    scale: Tensor.from('float32', [rows * blocks], Float32Array.from(grids.scales)),
    zero_point: Tensor.from('uint8', [rows * zeroBytes], zeros),
  }
}
