// A run: the affine operators that follow a value one after the other, as one affine map.
import { type ChannelStatistics, type GraphEditor, intsAttribute, isOp, type Node, nodeName } from '../../onnx/index.ts'
import { type Affine, type ChannelAxis, compose, constantAffineOf, normOf, rescale } from './affine.ts'

export interface Run extends Affine {
  /** The affine operators, to be removed; Transposes between them stay. */
  readonly nodes: readonly Node[]
  /** Of the last value, when there is a BatchNormalization in the run. */
  readonly statistics?: ChannelStatistics
  /** Channels whose BatchNormalization had a variance of almost nothing. */
  readonly nearDead: readonly number[]
  /** A BatchNormalization at the end that does not belong to the run, and why. */
  readonly blocked?: { readonly node: Node; readonly why: string }
}

/**
 * Follows a value through private links: BatchNormalization over the channel axis, Mul/Add/Sub/Div with a constant for
 * each channel, and Transpose, which moves the channel axis.
 */
export function runAfter(editor: GraphEditor, value: string, start: ChannelAxis): Run {
  const nodes: Node[] = []
  let affine: Affine = { scale: new Float64Array(start.channels).fill(1), shift: new Float64Array(start.channels) }
  let statistics: ChannelStatistics | undefined
  let nearDead: readonly number[] = []
  let at = start
  let current = value
  const end = (blocked?: Run['blocked']): Run => ({
    ...affine,
    nodes,
    nearDead,
    ...(statistics ? { statistics } : {}),
    ...(blocked ? { blocked } : {}),
  })
  for (;;) {
    const next = editor.soleConsumer(current)
    if (!next) {
      const norm = editor.consumers(current).find((node) => isNormOf(node, current))
      return end(norm && { node: norm, why: `its input is also ${otherUse(editor, current, norm)}` })
    }
    if (isOp(next, 'Transpose')) {
      if (at.rank === undefined) return end()
      const axis = at.rank + at.fromEnd
      const order = intsAttribute(next, 'perm') ?? Array.from({ length: at.rank }, (_, i) => (at.rank ?? 0) - 1 - i)
      at = { ...at, fromEnd: order.indexOf(axis) - at.rank }
    } else if (isNormOf(next, current)) {
      if (at.rank === undefined || at.rank + at.fromEnd !== 1)
        return end({ node: next, why: 'its channels are not those of the layer before it' })
      const norm = normOf(editor, next)
      if (typeof norm === 'string') return end({ node: next, why: norm })
      if (norm.scale.length !== at.channels)
        return end({ node: next, why: `it has ${norm.scale.length} channels, the layer before it ${at.channels}` })
      nodes.push(next)
      affine = compose(affine, norm)
      statistics = norm.output
      nearDead = norm.nearDead
    } else {
      const step = constantAffineOf(editor, next, current, at)
      if (!step) return end()
      nodes.push(next)
      affine = compose(affine, step)
      statistics &&= rescale(statistics, step)
    }
    current = next.outputs[0] ?? ''
  }
}

function isNormOf(node: Node, value: string): boolean {
  return isOp(node, 'BatchNormalization') && node.inputs[0] === value
}

function otherUse(editor: GraphEditor, value: string, node: Node): string {
  if (editor.isOutput(value)) return 'a graph output'
  const other = editor.consumers(value).find((consumer) => consumer !== node)
  return other ? `read by ${nodeName(other)}` : 'read by a sub-graph'
}

/** Takes the nodes of a run out of the graph; what fed each of them makes its output. */
export function removeRun(editor: GraphEditor, run: Run): void {
  for (const node of run.nodes) {
    const data = node.inputs.find((name) => editor.producer(name) && !editor.constant(name)) ?? ''
    const producer = editor.producer(data)
    editor.removeNode(node)
    if (producer) editor.setOutput(producer, producer.outputs.indexOf(data), node.outputs[0] ?? '')
  }
}

/** "BatchNormalization bn1, Mul m1" for people. */
export function namesOf(nodes: readonly Node[]): string {
  return nodes.map((node) => `${node.opType} ${nodeName(node)}`).join(', ')
}
