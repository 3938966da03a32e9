// A quantised model in which every grid is switched on or off from run to run: one session shows what each of them alone does.
import type { TensorValue } from '../base/index.ts'
import { constantsOf, GraphEditor, isOp, type Model, type Node, nodeName, Tensor } from '../onnx/index.ts'
import { insertQdq } from './insert.ts'
import type { Plan } from './plan.ts'

/** The graph input that holds a bool for each switch. */
const INPUT = 'onnxpress/switches'

/** What a switch turns to integers: the values of a grid, or the weight and the bias of a layer. */
export interface Switch {
  readonly kind: 'activation' | 'weights'
  /** The value whose grid it is, or the layer's name. */
  readonly name: string
}

export interface Switchable {
  readonly model: Model
  readonly switches: readonly Switch[]
  /** Feeds beside those of the samples, with some switches on and all others off. */
  readonly feeds: (on: ReadonlySet<Switch>) => Readonly<Record<string, TensorValue>>
}

/**
 * Inserts the grids of a plan behind switches: with all of them on the model computes what the simulation of the quantised file does,
 * with none what the float model does. It computes in float32 and holds weights twice.
 * @param model the float model that the plan was made for
 */
export function switchable(model: Model, plan: Plan): Switchable {
  const editor = new GraphEditor(insertQdq(model, plan))
  const given = new Map(model.graph.nodes.map((node) => [nodeName(node), node]))
  const constant = constantsOf(model.graph)
  const switches: Switch[] = []
  const places = new Map<string, string>()

  /** The bool of a switch, which stands in the graph once. */
  const condition = (kind: Switch['kind'], name: string): string => {
    const key = `${kind}:${name}`
    const known = places.get(key)
    if (known) return known
    const at = editor.addTensor(`${key}/place`, Tensor.from('int64', [], [switches.length]))
    const value = editor.freshName(`${key}/on`)
    editor.addNode({ opType: 'Gather', name: editor.freshNodeName(key), inputs: [INPUT, at], outputs: [value] })
    switches.push({ kind, name })
    places.set(key, value)
    return value
  }

  const choose = (on: string, integer: string, float: string): string => {
    const chosen = editor.freshName(`${integer}/switched`)
    editor.addNode({
      opType: 'Where',
      name: editor.freshNodeName(`${integer}/switch`),
      inputs: [on, integer, float],
      outputs: [chosen],
    })
    return chosen
  }

  for (const node of editor.nodes()) {
    if (!isOp(node, 'DequantizeLinear')) continue
    const [output = ''] = node.outputs
    const made = editor.producer(node.inputs[0] ?? '')
    if (made && isOp(made, 'QuantizeLinear')) {
      const [source = ''] = made.inputs
      switchActivation(editor, node, source, (own) => choose(condition('activation', nameOf(source)), own, source))
      continue
    }
    for (const reader of editor.consumers(output)) {
      const layer = plan.weights.has(nodeName(reader)) ? given.get(nodeName(reader)) : undefined
      const index = reader.inputs.indexOf(output)
      const float = layer && constant(layer.inputs[index])
      if (!layer || !float) continue
      const own = editor.addTensor(`${nodeName(reader)}/${index}/float`, float)
      editor.setInput(reader, index, choose(condition('weights', nodeName(reader)), output, own))
    }
  }
  const made = editor.finish()
  const inputs = [...made.graph.inputs, { name: INPUT, dtype: 'bool' as const, shape: [switches.length] }]
  return {
    model: { ...made, graph: { ...made.graph, inputs } },
    switches,
    feeds: (on) => ({
      [INPUT]: {
        dtype: 'bool',
        dims: [switches.length],
        data: Uint8Array.from(switches, (each) => (on.has(each) ? 1 : 0)),
      },
    }),
  }
}

/** A graph output's pair takes over its name, and the value before it is called so. */
const nameOf = (source: string) => source.replace(/\/float$/, '')

/** Everybody behind the pair reads what is chosen; where the pair writes a graph output, the choice writes it. */
function switchActivation(editor: GraphEditor, node: Node, source: string, choose: (integer: string) => string): void {
  const [output = ''] = node.outputs
  const readers = editor.consumers(output)
  if (!editor.isOutput(output) && !editor.isCaptured(output)) {
    const chosen = choose(output)
    for (const reader of readers)
      for (const [index, name] of reader.inputs.entries()) if (name === output) editor.setInput(reader, index, chosen)
    return
  }
  const inner = editor.freshName(`${output}/integer`)
  editor.setOutput(node, 0, inner)
  const chosen = choose(inner)
  const where = editor.producer(chosen)
  if (!where) throw new Error(`nothing switches "${source}"`)
  editor.setOutput(where, 0, output)
}
