// Layers whose weight is integer codes directly behind DequantizeLinear: what kernels of bytes multiply.
import { constantsOf, dataInput, type Layer, layerOf } from './layers.ts'
import { isOp, type Model, type Node } from './model.ts'
import type { Tensor } from './tensor.ts'

/** A layer as a Q/DQ file has it, with the codes of its weight in place of the weight. */
export interface CodeLayer {
  /** Its weight holds the codes. */
  readonly layer: Layer
  /** The DequantizeLinear in front of the weight. */
  readonly dequantize: Node
  /** Of the weight: one, or one for each output. */
  readonly scale: Tensor
  /** What the layer reads, in codes; absent where it reads floats. */
  readonly read?: { readonly codes: string; readonly scale: Tensor; readonly zeroPoint: Tensor | undefined }
}

/** The layers of the main graph whose weight is codes with one scale, or one for each channel. */
export function codeLayersOf({ graph }: Model): CodeLayer[] {
  const constants = constantsOf(graph)
  const makers = new Map<string, Node>()
  for (const node of graph.nodes) if (isOp(node, 'DequantizeLinear')) makers.set(node.outputs[0] ?? '', node)
  const codesBehind = (value: string | undefined) => constants(makers.get(value ?? '')?.inputs[0]) ?? constants(value)
  return graph.nodes.flatMap((node): CodeLayer[] => {
    const layer = layerOf(node, codesBehind)
    const dequantize = layer && makers.get(node.inputs[layer.weightIndex] ?? '')
    const scale = constants(dequantize?.inputs[1])
    if (!layer || !dequantize || !scale) return []
    const reader = makers.get(dataInput(layer))
    const readScale = constants(reader?.inputs[1])
    const read = reader &&
      readScale && { codes: reader.inputs[0] ?? '', scale: readScale, zeroPoint: constants(reader.inputs[2]) }
    return [{ layer, dequantize, scale, ...(read ? { read } : {}) }]
  })
}
