// Weights of matrix products as 4-bit NormalFloat: sixteen numbers spaced as a normal distribution has them, com.microsoft MatMulBnb4.
import { geometryOf, kernelOf } from '../../calibrate/index.ts'
import { GraphEditor, intAttr, type Layer, type Model, Tensor } from '../../onnx/index.ts'
import { withContributed } from './matmul-nbits.ts'

/** What codes stand for, in units of a block's largest weight (QLoRA, arXiv 2305.14314, appendix E). */
export const nf4Values: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
]

/** Of MatMulBnb4: NormalFloat, not FP4. */
const NF4 = 1

/** A weight [rows, columns]: two codes a byte, the first one high, row after row; blocks go on over the ends of rows. */
export interface Nf4Weight {
  readonly rows: number
  readonly columns: number
  readonly block: number
  readonly codes: Uint8Array
  /** Largest magnitude of each block. */
  readonly scales: Float32Array
}

/** Each weight to the nearest codes; layers that share a weight share the result. */
export function nf4Weights(layers: Iterable<Layer>, block: number): Map<Layer, Nf4Weight> {
  const known = new Map<Tensor, Map<number | undefined, Nf4Weight>>()
  const result = new Map<Layer, Nf4Weight>()
  for (const layer of layers) {
    const geometry = geometryOf(layer)
    if (typeof geometry === 'string' || geometry.layout !== 'rows') continue
    // The same tensor read as it is and transposed is two weights.
    const forms = known.get(layer.weight) ?? new Map<number | undefined, Nf4Weight>()
    known.set(layer.weight, forms)
    const axis = layer.view?.outputAxis
    const { rows, columns, data } = kernelOf(layer, geometry, 0)
    const weight = forms.get(axis) ?? { rows, columns, block, ...nearest(data, block) }
    forms.set(axis, weight)
    result.set(layer, weight)
  }
  return result
}

function nearest(values: Float64Array, block: number): Pick<Nf4Weight, 'codes' | 'scales'> {
  const codes = new Uint8Array(Math.ceil(values.length / 2))
  const scales = new Float32Array(Math.ceil(values.length / block))
  for (let b = 0; b < scales.length; b++) {
    const end = Math.min(values.length, (b + 1) * block)
    let largest = 0
    for (let i = b * block; i < end; i++) largest = Math.max(largest, Math.abs(values[i]!))
    scales[b] = largest
    const scale = scales[b]!
    for (let i = b * block; i < end; i++)
      codes[i >> 1]! |= codeOf(scale === 0 ? 0 : values[i]! / scale) << (i % 2 === 0 ? 4 : 0)
  }
  return { codes, scales }
}

/** The code whose number is nearest. */
function codeOf(share: number): number {
  let code = 0
  while (code < 15 && share > (nf4Values[code]! + nf4Values[code + 1]!) / 2) code++
  return code
}

/** Replaces layers by MatMulBnb4, and an Add for a Gemm's bias. Output names stay; a weight that two layers share is stored once. */
export function insertNf4(model: Model, weights: ReadonlyMap<Layer, Nf4Weight>): Model {
  if (weights.size === 0) return model
  const editor = new GraphEditor(model)
  const byOutput = new Map(editor.nodes().map((node) => [node.outputs[0] ?? '', node]))
  const stored = new Map<Nf4Weight, readonly string[]>()
  for (const [layer, weight] of weights) {
    const node = byOutput.get(layer.node.outputs[0] ?? '')
    if (!node) continue
    const { rows, columns, block, codes, scales } = weight
    const names = stored.get(weight) ?? [
      editor.addTensor(`${layer.name}/weight/nf4`, Tensor.from('uint8', [codes.length], codes)),
      editor.addTensor(`${layer.name}/weight/absmax`, Tensor.from('float32', [scales.length], scales)),
    ]
    stored.set(weight, names)
    const [input = '', , bias = ''] = node.inputs
    const [output = ''] = node.outputs
    const product = bias === '' ? output : editor.freshName(`${output}/product`)
    editor.replaceNode(node, {
      opType: 'MatMulBnb4',
      domain: 'com.microsoft',
      inputs: [input, ...names],
      outputs: [product],
      attributes: { K: intAttr(columns), N: intAttr(rows), block_size: intAttr(block), quant_type: intAttr(NF4) },
    })
    if (bias !== '') editor.addNode({ opType: 'Add', inputs: [product, bias], outputs: [output] })
  }
  return withContributed(editor.finish())
}
