// What follows from sizes alone becomes constant where the sizes are fixed: where a slice begins, how often something repeats.
import { GraphEditor, intAttribute, isFloat, type Model, type Shapes, Tensor } from '../../onnx/index.ts'
import { computedConstants } from '../../rewrite/index.ts'

/** Longest list of numbers that is computed. */
const MOST = 4096

/** The model of fixed sizes with constants in place of whole numbers that follow from them; floats stay computed. */
export function withKnownSizes(model: Model, shapes: Shapes): Model {
  const editor = new GraphEditor(model)
  for (const node of editor.nodes('Shape', 'Size')) {
    const [output = ''] = node.outputs
    const dims = shapes.get(node.inputs[0] ?? '')?.dims
    if (!dims || output === '' || editor.isOutput(output)) continue
    const { rank, from, to } = {
      rank: dims.length,
      from: intAttribute(node, 'start', 0),
      to: intAttribute(node, 'end', dims.length),
    }
    const numbers = dims.slice(from < 0 ? Math.max(0, from + rank) : from, to < 0 ? Math.max(0, to + rank) : to)
    const size = Tensor.from('int64', [], [dims.reduce((product, dim) => product * dim, 1)])
    editor.removeNode(node)
    editor.graph.initializers.set(
      output,
      node.opType === 'Size' ? size : Tensor.from('int64', [numbers.length], numbers),
    )
  }
  const constants = computedConstants({ ...editor.graph, nodes: editor.nodes() })
  for (const node of editor.nodes()) {
    const [output = ''] = node.outputs
    const seen = shapes.get(output)
    if (node.outputs.length !== 1 || !seen || isFloat(seen.dtype) || editor.isOutput(output)) continue
    if (seen.dims.reduce((product, dim) => product * dim, 1) > MOST) continue
    const tensor = constants(output)
    if (!tensor) continue
    editor.removeNode(node)
    editor.graph.initializers.set(output, tensor)
  }
  return editor.finish()
}
