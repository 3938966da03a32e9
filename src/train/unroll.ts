// If and Loop written out for the gradient: both branches side by side with a Where behind them, a body as often as it runs.
import {
  type Attribute,
  capturesOf,
  type Graph,
  GraphEditor,
  intAttr,
  isOp,
  type Model,
  makeNode,
  type Node,
  nodeName,
  subgraphsOf,
  Tensor,
} from '../onnx/index.ts'

/** Nodes that the rounds of a Loop may become, at most. */
const MOST_NODES = 4000

/** Two values that must have one shape: what the branches of an If give for the same output. */
export interface BranchPair {
  readonly node: string
  readonly output: string
  readonly taken: string
  readonly other: string
}

export interface Unrolled {
  readonly model: Model
  /** Empty where nothing was written out. */
  readonly names: readonly string[]
  readonly pairs: readonly BranchPair[]
  /** Nodes with sub-graphs that stay → why. */
  readonly left: ReadonlyMap<string, string>
}

/** What is known of values, and which nodes are to stay as they are, with the reason. */
export interface UnrollOptions {
  readonly known?: ReadonlyMap<string, number>
  readonly left?: ReadonlyMap<string, string>
}

/**
 * Writes If and Loop of the main graph out, once: what was inside them may hold others. The result computes the same where every
 * branch runs on every sample; names of outer values stay.
 * 1. an If of a known condition becomes the branch that is taken, another one both branches and a Where an output
 * 2. a Loop of a known number of rounds that nothing ends early becomes its rounds
 * 3. anything else stays, with the reason
 */
export function unrolled(model: Model, { known = new Map(), left: stays = new Map() }: UnrollOptions = {}): Unrolled {
  const editor = new GraphEditor(model)
  const names: string[] = []
  const pairs: BranchPair[] = []
  const left = new Map(stays)
  const numberOf = (value: string) => editor.constant(value)?.numbers()[0] ?? known.get(value)
  for (const node of editor.nodes()) {
    const name = nodeName(node)
    if (subgraphsOf(node).length === 0 || left.has(name)) continue
    const write = isOp(node, 'If') ? writeBranches : writeRounds
    const reason = write(editor, node, numberOf, pairs)
    if (reason === undefined) names.push(name)
    else left.set(name, reason)
  }
  return { model: names.length === 0 ? model : editor.finish(), names, pairs, left }
}

type NumberOf = (value: string) => number | undefined

/** The values that decide how nodes with sub-graphs run: conditions, numbers of rounds. */
export function decidingValues(model: Model): string[] {
  const { initializers } = model.graph
  const all = model.graph.nodes.flatMap((node) => (isOp(node, 'If', 'Loop') ? node.inputs.slice(0, 2) : []))
  return [...new Set(all)].filter((value) => value !== '' && !initializers.has(value))
}

function graphOf(node: Node, name: string): Graph | undefined {
  const attribute = node.attributes.get(name)
  return attribute?.type === 'graph' ? attribute.value : undefined
}

function writeBranches(editor: GraphEditor, node: Node, numberOf: NumberOf, pairs: BranchPair[]): string | undefined {
  const [yes, no] = [graphOf(node, 'then_branch'), graphOf(node, 'else_branch')]
  const condition = node.inputs[0] ?? ''
  if (!yes || !no) return 'it has no two branches'
  const known = numberOf(condition)
  editor.removeNode(node)
  const branches = (known === undefined ? [yes, no] : [known ? yes : no]).map((branch) => {
    const names = writeGraph(editor, branch, nodeName(node), new Map())
    return branch.outputs.map(({ name }) => names.get(name) ?? name)
  })
  for (const [i, output] of node.outputs.entries()) {
    const [taken = '', other] = branches.map((outputs) => outputs[i] ?? '')
    if (output === '') continue
    if (other === undefined) editor.addNode({ opType: 'Identity', inputs: [taken], outputs: [output] })
    else {
      editor.addNode({ opType: 'Where', inputs: [condition, taken, other], outputs: [output] })
      pairs.push({ node: nodeName(node), output, taken, other })
    }
  }
  return undefined
}

function writeRounds(editor: GraphEditor, node: Node, numberOf: NumberOf): string | undefined {
  const body = graphOf(node, 'body')
  if (!isOp(node, 'Loop') || !body) return `the rounds of a ${node.opType} are not written out`
  const [count = '', start = '', ...initial] = node.inputs
  const rounds = numberOf(count)
  const [round, condition, ...states] = body.inputs
  if (rounds === undefined || !round || !condition) return 'the number of its rounds depends on the data'
  if ((start !== '' && numberOf(start) !== 1) || !goesOn(body, condition.name))
    return 'a condition that depends on the data ends it'
  if (rounds * body.nodes.length > MOST_NODES) return `it has ${rounds} rounds of ${body.nodes.length} nodes`
  const stacked = node.outputs.slice(states.length).some((output) => output !== '')
  if (rounds < 1 && stacked) return 'it has no rounds'
  editor.removeNode(node)
  let current: readonly string[] = initial
  const rows: string[][] = []
  // The constants of a body are those of every round.
  const shared = [...body.initializers].map(([name, tensor]): [string, string] => [
    name,
    editor.addTensor(`${nodeName(node)}/${name}`, tensor),
  ])
  const always = editor.addTensor(`${nodeName(node)}/condition`, Tensor.from('bool', [], [1]))
  for (let i = 0; i < rounds; i++) {
    const index = editor.addTensor(`${nodeName(node)}/round`, Tensor.from('int64', [], [i]))
    const given = new Map([...shared, [round.name, index], [condition.name, always], ...pairUp(states, current)])
    const names = writeGraph(editor, body, `${nodeName(node)}/${i}`, given)
    const outputs = body.outputs.slice(1).map(({ name }) => names.get(name) ?? name)
    current = outputs.slice(0, states.length)
    rows.push(outputs.slice(states.length))
  }
  for (const [i, output] of node.outputs.entries()) {
    if (output === '') continue
    const state = current[i]
    if (i < states.length && state !== undefined)
      editor.addNode({ opType: 'Identity', inputs: [state], outputs: [output] })
    else
      stack(
        editor,
        rows.map((row) => row[i - states.length] ?? ''),
        output,
      )
  }
  return undefined
}

function pairUp(states: Graph['inputs'], values: readonly string[]): [string, string][] {
  return states.map(({ name }, i) => [name, values[i] ?? ''])
}

/** Is the condition that a body hands on always true, or the one that it was given? */
function goesOn(body: Graph, given: string): boolean {
  let value = body.outputs[0]?.name
  const makers = new Map(body.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  for (let steps = 0; steps <= body.nodes.length; steps++) {
    if (value === undefined) return false
    if (value === given) return true
    const tensor = body.initializers.get(value)
    if (tensor) return tensor.numbers()[0] === 1
    const maker = makers.get(value)
    if (!maker) return false
    const constant = maker.attributes.get('value')
    if (isOp(maker, 'Constant')) return constant?.type === 'tensor' && constant.value.numbers()[0] === 1
    if (!isOp(maker, 'Identity', 'Cast')) return false
    value = maker.inputs[0]
  }
  return false
}

/** One value a round, joined along a new first axis. */
function stack(editor: GraphEditor, values: readonly string[], output: string): void {
  const axes = editor.addTensor(`${output}/axis`, Tensor.from('int64', [1], [0]))
  const rows = values.map((value) => {
    const row = editor.freshName(`${output}/row`)
    editor.addNode({ opType: 'Unsqueeze', inputs: [value, axes], outputs: [row] })
    return row
  })
  editor.addNode({ opType: 'Concat', inputs: rows, outputs: [output], attributes: { axis: intAttr(0) } })
}

/** Adds the nodes of a sub-graph under fresh names. @returns inner name → name in the editor's graph */
function writeGraph(
  editor: GraphEditor,
  graph: Graph,
  prefix: string,
  given: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const names = new Map(given)
  for (const [name, tensor] of graph.initializers)
    if (!given.has(name)) names.set(name, editor.addTensor(`${prefix}/${name}`, tensor))
  for (const node of graph.nodes)
    for (const output of node.outputs) if (output !== '') names.set(output, editor.freshName(`${prefix}/${output}`))
  for (const node of graph.nodes) {
    const { opType, domain, inputs, outputs, attributes } = renamed(node, names)
    const spec = { opType, domain, inputs, outputs, attributes: Object.fromEntries(attributes) }
    editor.addNode({ ...spec, name: `${prefix}/${nodeName(node)}` })
  }
  return names
}

/** A node that reads and makes values under other names; what its sub-graphs capture too. */
function renamed(node: Node, names: ReadonlyMap<string, string>): Node {
  const of = (name: string) => (name === '' ? '' : (names.get(name) ?? name))
  const attributes = new Map<string, Attribute>()
  for (const [key, attribute] of node.attributes) {
    if (attribute.type === 'graph') attributes.set(key, { type: 'graph', value: captured(attribute.value, names) })
    else if (attribute.type === 'graphs')
      attributes.set(key, { type: 'graphs', value: attribute.value.map((graph) => captured(graph, names)) })
    else attributes.set(key, attribute)
  }
  const { opType, domain } = node
  return {
    ...makeNode({ name: node.name, opType, domain, inputs: node.inputs.map(of), outputs: node.outputs.map(of) }),
    attributes,
  }
}

function captured(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const outside = capturesOf(graph)
  const own = new Map([...names].filter(([name]) => outside.has(name)))
  if (own.size === 0) return graph
  const nodes = graph.nodes.map((node) => renamed(node, own))
  const outputs = graph.outputs.map((output) => ({ ...output, name: own.get(output.name) ?? output.name }))
  return { ...graph, nodes, outputs }
}
