// Who answers for a value: the layer that makes it, seen through what only moves or clamps what the layer gave.
import { constantsOf, type Layer, layersOf, type Model, nodeName } from '../../onnx/index.ts'

/** What a row of an analysis is about: a layer, a node that joins values, or a graph input. */
export interface Owner {
  readonly name: string
  /** Its operator; Input for a graph input. */
  readonly op: string
  readonly layer?: Layer
  /** Data that it reads. */
  readonly inputs: readonly string[]
}

/** The owner of each value, and those of layers by name. */
export function ownersOf(model: Model): (value: string) => Owner {
  const constant = constantsOf(model.graph)
  const layers = new Map(layersOf(model).map((layer) => [layer.name, layer]))
  const producers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const known = new Map<string, Owner>()
  const find = (value: string): Owner => {
    const node = producers.get(value)
    if (!node) return { name: value, op: 'Input', inputs: [] }
    const name = nodeName(node)
    const layer = layers.get(name)
    const inputs = [...new Set(node.inputs.filter((input) => input !== '' && !constant(input)))]
    const own = { name, op: node.opType, inputs, ...(layer ? { layer } : {}) }
    const [before] = inputs
    return layer || inputs.length !== 1 || before === undefined ? own : ownerOf(before)
  }
  const ownerOf = (value: string): Owner => {
    const owner = known.get(value) ?? find(value)
    known.set(value, owner)
    return owner
  }
  return ownerOf
}
