// The scores that a classifier compares: the first output, or what goes into its final Softmax.
import { isOp, type Model } from '../../onnx/index.ts'

/** Name of the value in front of a final Softmax or LogSoftmax, else of the first output. */
export function logitsOf(model: Model): string {
  const producers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  let value = model.graph.outputs[0]?.name ?? ''
  for (;;) {
    const node = producers.get(value)
    if (!node) return value
    if (isOp(node, 'Softmax', 'LogSoftmax')) return node.inputs[0] ?? value
    if (!isOp(node, 'Identity', 'Reshape', 'Flatten', 'Squeeze') || !leadsToSoftmax(node.inputs[0] ?? '', producers))
      return value
    value = node.inputs[0] ?? ''
  }
}

function leadsToSoftmax(value: string, producers: ReadonlyMap<string, Model['graph']['nodes'][number]>): boolean {
  const node = producers.get(value)
  if (!node) return false
  if (isOp(node, 'Softmax', 'LogSoftmax')) return true
  return isOp(node, 'Identity', 'Reshape', 'Flatten', 'Squeeze') && leadsToSoftmax(node.inputs[0] ?? '', producers)
}
