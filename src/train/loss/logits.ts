// The scores that a classifier compares: the first output, or what goes into its final Softmax.
import { isOp, type Model } from '../../onnx/index.ts'

/** Name of the value in front of a final Softmax or LogSoftmax, else of the output itself; of the first output by default. */
export function logitsOf(model: Model, output: string = model.graph.outputs[0]?.name ?? ''): string {
  const producers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  let value = output
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
