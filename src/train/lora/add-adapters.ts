// Adapters in a training graph: a narrow way beside each layer, whose weight stays a constant that the runtime packs.
import { intAttribute } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import type { Parameter } from '../parameters.ts'
import type { Transformed } from '../training-graph.ts'
import type { Adapter } from './adapters.ts'

/** Puts y = x·W + x·A·B where y = x·W stood. A and B become inputs that are trained. */
export function addAdapters(g: Emitter, adapters: readonly Adapter[]): Omit<Transformed, 'initial'> {
  const parameters: Parameter[] = []
  // Nodes of the graph may have been written out in others: what stays are the values.
  const made = new Map(g.editor.nodes().flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  for (const { layers, inputs, outputs, rank, down, up } of adapters) {
    const node = layers[0]?.name ?? ''
    parameters.push({ name: down, kind: 'weight', dims: [inputs, rank], node })
    parameters.push({ name: up, kind: 'weight', dims: [rank, outputs], node })
    const [a, b] = [g.input(down, [inputs, rank]), g.input(up, [rank, outputs])]
    for (const layer of layers) {
      const y = layer.node.outputs[0] ?? ''
      const copy = made.get(y)
      if (!copy) continue
      const dims = g.dims(y)
      const x = copy.inputs[0] ?? ''
      const base = g.editor.freshName(`${y}/base`)
      g.editor.setOutput(copy, 0, base)
      g.declare(base, dims)
      const rows = g.size(y) / outputs
      const transposed = intAttribute(copy, 'transA', 0) === 1
      const low = g.gemm(transposed ? x : g.reshape(x, [rows, inputs]), a, { transA: transposed, alpha: layer.alpha })
      const sum = g.add('Gemm', [low, b, g.reshape(base, [rows, outputs])], [rows, outputs])
      g.editor.addNode({ opType: 'Reshape', inputs: [sum, g.ints(dims)], outputs: [y] })
    }
  }
  return { parameters, renamed: new Map() }
}
