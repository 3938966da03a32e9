// The reverse sweep: from the gradient of the loss to the gradients of what is trained, as nodes of the same graph.
import { UnsupportedError } from '../../base/index.ts'
import { isOp, type Node, nodeName, readsOf, sortNodes, subgraphsOf, type Tensor } from '../../onnx/index.ts'
import type { Emitter } from './emitter.ts'
import type { GradientRule, Site } from './rule.ts'

export interface BackwardOptions {
  /** Value → name of its given gradient: the loss and a 1. */
  readonly seeds: ReadonlyMap<string, string>
  /** Values whose gradients are wanted: graph inputs. */
  readonly wanted: readonly string[]
  readonly rules: (node: Node) => GradientRule | undefined
  /** Nodes with sub-graphs, by name → why they have no gradient. */
  readonly reasons?: ReadonlyMap<string, string>
}

/**
 * Adds the backward graph. Only what lies between a wanted value and a seed is built.
 * @returns wanted value → name of its gradient; a value on which the seeds do not depend is missing
 * @throws UnsupportedError naming a node without a rule, its operator and the path that needs it
 */
export function addGradients(g: Emitter, options: BackwardOptions): Map<string, string> {
  const nodes = sortNodes(g.editor.nodes())
  const because = reachedFrom(g, nodes, options.wanted)
  const contributions = new Map<string, string[]>()
  for (const [value, gradient] of options.seeds) contributions.set(value, [gradient])
  const gradientOf = (value: string): string | undefined => {
    const parts = contributions.get(value)
    if (!parts || parts.length === 0) return undefined
    const [first = '', ...others] = parts
    const sum = others.reduce((total, part) => g.plus(total, part), first)
    contributions.set(value, [sum])
    return sum
  }
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => contributions.has(output))) continue
    const needed = node.inputs.map((input) => input !== '' && because.has(input) && isFloatOrOpen(g, input, because))
    // What a sub-graph reads from outside is not an input of its node: a gradient without it would be wrong, not partial.
    const captures = [...readsOf(node)].some((value) => !node.inputs.includes(value) && because.has(value))
    if (!needed.includes(true) && !captures) continue
    const rule = captures ? undefined : options.rules(node)
    if (!rule) throw missingRule(node, because, options)
    const gradients = node.outputs.map((output) => (output === '' ? undefined : gradientOf(output)))
    const thunks = rule.build(g, siteOf(g, node, gradients))
    for (const [index, input] of node.inputs.entries()) {
      const thunk = thunks[index]
      if (!needed[index] || !thunk) continue
      const parts = contributions.get(input) ?? []
      parts.push(thunk())
      contributions.set(input, parts)
    }
  }
  const found = new Map<string, string>()
  for (const value of options.wanted) {
    const gradient = gradientOf(value)
    if (gradient !== undefined) found.set(value, gradient)
  }
  return found
}

function siteOf(g: Emitter, node: Node, gradients: readonly (string | undefined)[]): Site {
  let first = gradients[0]
  return {
    node,
    inputs: node.inputs,
    outputs: node.outputs,
    x: node.inputs[0] ?? '',
    y: node.outputs[0] ?? '',
    get dY() {
      first ??= g.filled(g.dims(node.outputs[0] ?? ''), 0)
      return first
    },
    gradients,
    constant: (index: number): Tensor | undefined => g.editor.constant(node.inputs[index]),
  }
}

/** Values that depend on a wanted one → the node through which they do (undefined for the wanted ones themselves). */
function reachedFrom(
  g: Emitter,
  nodes: readonly Node[],
  wanted: readonly string[],
): ReadonlyMap<string, Node | undefined> {
  const because = new Map<string, Node | undefined>(wanted.map((value) => [value, undefined]))
  for (const node of nodes) {
    if (isOp(node, 'Shape', 'Size')) continue
    if (![...readsOf(node)].some((input) => because.has(input))) continue
    // What comes out of a sub-graph may have any type: whoever asks for its gradient is told.
    const open = subgraphsOf(node).length > 0
    for (const output of node.outputs) if (output !== '' && (open || g.isFloat(output))) because.set(output, node)
  }
  return because
}

/** Can a gradient go through a value? One out of a sub-graph may have any type. */
function isFloatOrOpen(g: Emitter, value: string, because: ReadonlyMap<string, Node | undefined>): boolean {
  const maker = because.get(value)
  return (maker !== undefined && subgraphsOf(maker).length > 0) || g.isFloat(value)
}

function missingRule(
  node: Node,
  because: ReadonlyMap<string, Node | undefined>,
  { wanted, reasons }: BackwardOptions,
): UnsupportedError {
  const path: string[] = []
  const producers = new Map<string, Node>()
  for (const [value, producer] of because) if (producer) producers.set(value, producer)
  let value = [...readsOf(node)].find((input) => because.has(input))
  while (value !== undefined) {
    const producer = producers.get(value)
    path.unshift(producer ? nodeName(producer) : value)
    value = producer && [...readsOf(producer)].find((input) => because.has(input))
  }
  // A trained scale is called by what it belongs to.
  const [first = ''] = path
  path[0] = first.replace(/^train\/(weight_)?scale\//, '')
  const shown = path.length > 6 ? [...path.slice(0, 3), '…', ...path.slice(-2)] : path
  const trained = wanted.includes(first) ? path[0] : 'a weight'
  const reason = reasons?.get(nodeName(node))
  const why = reason === undefined ? 'which has no gradient rule' : `which has no gradient (${reason})`
  return new UnsupportedError(
    `cannot train "${trained}": node "${nodeName(node)}" is ${article(node.opType)} ${node.opType}, ${why}, and lies on the path ${shown.join(' → ')} → ${nodeName(node)}; train only layers behind it (--only)`,
    { node: nodeName(node), op: node.opType, ...(reason === undefined ? { code: 'no-gradient-rule' } : {}) },
  )
}

/** Have all nodes between wanted values and a value, one at least, a rule? */
export function hasGradient(
  g: Emitter,
  nodes: readonly Node[],
  { wanted, rules }: Pick<BackwardOptions, 'wanted' | 'rules'>,
  value: string,
): boolean {
  const sorted = sortNodes(nodes)
  const because = reachedFrom(g, sorted, wanted)
  const leads = new Set([value])
  if (!because.has(value)) return false
  for (const node of sorted.toReversed()) {
    if (!node.outputs.some((output) => leads.has(output) && because.has(output))) continue
    if (!rules(node) || subgraphsOf(node).length > 0) return false
    for (const input of node.inputs) if (because.has(input)) leads.add(input)
  }
  return true
}

function article(opType: string): string {
  return /^([AEIOU]|LSTM|LRN|RNN|STFT)/.test(opType) ? 'an' : 'a'
}

/**
 * Why a value got no gradient: the node whose outputs carry none although the seeds depend on them, or undefined where no seed
 * depends on the value.
 */
export function whereGradientEnds(g: Emitter, nodes: readonly Node[], value: string, seed: string): Node | undefined {
  const sorted = sortNodes(nodes).filter((node) => !isOp(node, 'Shape', 'Size'))
  const leads = new Set([seed])
  for (const node of sorted.toReversed())
    if (node.outputs.some((output) => leads.has(output))) for (const read of readsOf(node)) leads.add(read)
  if (!leads.has(value)) return undefined
  const reached = new Set([value])
  for (const node of sorted) {
    if (![...readsOf(node)].some((read) => reached.has(read)) || !node.outputs.some((output) => leads.has(output)))
      continue
    const carried = node.outputs.filter((output) => output !== '' && g.isFloat(output))
    if (carried.length === 0) return node
    for (const output of carried) reached.add(output)
  }
  return undefined
}
