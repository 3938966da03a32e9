// What lies inside If, Loop and Scan, in words: it runs as it is, and nobody should have to guess that.
import { allNodes, type Model, nodeName, subgraphsOf } from '../onnx/index.ts'

/** Operators that do the work of a network. */
const telling = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'LSTM', 'GRU', 'RNN']

/** One sentence for each node of the main graph with sub-graphs; none when there is none. */
export function subGraphNotes(model: Model): string[] {
  return model.graph.nodes.flatMap((node) => {
    const graphs = subgraphsOf(node)
    if (graphs.length === 0) return []
    const inside = graphs.flatMap((graph) => [...allNodes(graph)])
    const counts = telling.flatMap((op) => {
      const count = inside.filter((each) => each.opType === op && each.domain === '').length
      return count > 0 ? [`${count} ${op}`] : []
    })
    const among = counts.length > 0 ? `, among them ${counts.join(', ')}` : ''
    return [
      `${node.opType} "${nodeName(node)}" holds ${inside.length} nodes in ${graphs.length === 1 ? 'a sub-graph' : `${graphs.length} sub-graphs`}${among}: they are left as they are`,
    ]
  })
}
