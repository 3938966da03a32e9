// Where an upgrade works: the main graph through its editor, or a sub-graph, with the constants it can see from outside.
import {
  allInputs,
  constantsOf,
  type DType,
  type Graph,
  type GraphEditor,
  inferTypes,
  makeNode,
  type Node,
  type NodeSpec,
  type Shapes,
  subgraphsOf,
  type Tensor,
  type ValueInfo,
} from '../../onnx/index.ts'

/** One graph during an upgrade. */
export interface Scope {
  readonly nodes: readonly Node[]
  readonly constant: (value: string | undefined) => Tensor | undefined
  readonly dtype: (value: string | undefined) => DType | undefined
  readonly rank: (value: string | undefined) => number | undefined
  readonly isUsed: (value: string | undefined) => boolean
  readonly freshName: (hint: string) => string
  readonly addTensor: (hint: string, tensor: Tensor) => string
  readonly setInput: (node: Node, index: number, value: string) => void
  /** Puts several nodes, in order, in the place of one; one without a name takes that of the old one. */
  readonly replace: (node: Node, specs: readonly NodeSpec[]) => void
}

/** The main graph and all graphs inside it, outer ones first. */
export function scopesOf(editor: GraphEditor, shapes: Shapes): Scope[] {
  const main: Scope = {
    ...lookups(editor.graph, shapes),
    get nodes() {
      return editor.nodes()
    },
    constant: (value) => editor.constant(value),
    isUsed: (value) => value !== undefined && value !== '' && editor.uses(value) > 0,
    freshName: (hint) => editor.freshName(hint),
    addTensor: (hint, tensor) => editor.addTensor(hint, tensor),
    setInput: (node, index, value) => editor.setInput(node, index, value),
    replace: (node, specs) => {
      editor.removeNode(node)
      for (const spec of specs) spec.name === undefined ? editor.replaceNode(node, spec) : editor.addNode(spec)
    },
  }
  return [main, ...editor.nodes().flatMap((node) => innerScopes(node, main, editor))]
}

function innerScopes(node: Node, outer: Scope, editor: GraphEditor): Scope[] {
  return subgraphsOf(node).flatMap((graph) => {
    const own = constantsOf(graph)
    const known = lookups(graph, new Map(), outer)
    const scope: Scope = {
      ...known,
      get nodes() {
        return graph.nodes
      },
      constant: (value) => own(value) ?? outer.constant(value),
      isUsed: (value) => value !== undefined && value !== '' && isReadIn(graph, value),
      freshName: (hint) => editor.freshName(hint),
      addTensor: (hint, tensor) => {
        const name = editor.freshName(hint)
        graph.initializers.set(name, tensor)
        return name
      },
      setInput: (inner, index, value) => {
        while (inner.inputs.length < index) inner.inputs.push('')
        inner.inputs[index] = value
      },
      replace: (inner, specs) => {
        const made = specs.map((spec) => makeNode({ ...spec, name: editor.freshNodeName(spec.name ?? inner.name) }))
        graph.nodes = graph.nodes.flatMap((each) => (each === inner ? made : [each]))
      },
    }
    return [scope, ...graph.nodes.flatMap((inner) => innerScopes(inner, scope, editor))]
  })
}

function isReadIn(graph: Graph, value: string): boolean {
  if (graph.outputs.some((output) => output.name === value)) return true
  return graph.nodes.some(
    (node) => node.inputs.includes(value) || subgraphsOf(node).some((inner) => isReadIn(inner, value)),
  )
}

/** Types and ranks of the graph as it was before the upgrade; values added later have none. */
function lookups(graph: Graph, shapes: Shapes, outer?: Scope): Pick<Scope, 'dtype' | 'rank'> {
  const declared = new Map<string, ValueInfo>(graph.valueInfo)
  for (const value of [...allInputs(graph), ...graph.outputs]) declared.set(value.name, value)
  const types = inferTypes(graph, (value) => {
    const dtype = outer?.dtype(value)
    return dtype ? { dtype, inside: [] } : undefined
  })
  return {
    dtype: (value) => {
      const type = types.get(value ?? '')
      return type?.inside.length === 0 ? type.dtype : undefined
    },
    rank: (value) =>
      shapes.get(value ?? '')?.dims.length ??
      declared.get(value ?? '')?.shape?.length ??
      graph.initializers.get(value ?? '')?.shape.length ??
      outer?.rank(value),
  }
}
