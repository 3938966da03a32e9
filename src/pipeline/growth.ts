// A model that became larger although nothing asked for it, and what did that.
import { allNodes, type Model, type Tensor } from '../onnx/index.ts'

/** More than this is said. */
const WORTH_SAYING = 1.01

/** Says which constants a larger model holds that the model before did not; undefined when it is not larger. */
export function growthNote(before: Model, after: Model): string | undefined {
  const [old, now] = [constantsIn(before), constantsIn(after)]
  const [from, to] = [bytesOf(old.values()), bytesOf(now.values())]
  if (to <= from * WORTH_SAYING || to - from < 1024) return undefined
  const known = new Set(old.values())
  const added = [...now].filter(([, tensor]) => !known.has(tensor))
  const [first, ...others] = added.toSorted(([, a], [, b]) => b.bytes.byteLength - a.bytes.byteLength)
  const what = first
    ? `: ${first[0]} (${first[1].dtype} [${first[1].shape}]) was changed where it is used${others.length > 0 ? `, and so were ${others.length} others,` : ','} and can no longer be stored in its old form or be shared`
    : ''
  return `the constants take ${Math.round((100 * to) / from) - 100} % more bytes than before${what}`
}

function constantsIn(model: Model): Map<string, Tensor> {
  const found = new Map(model.graph.initializers)
  for (const node of allNodes(model.graph))
    for (const attribute of node.attributes.values())
      if (attribute.type === 'tensor') found.set(node.outputs[0] ?? '', attribute.value)
  return found
}

function bytesOf(tensors: Iterable<Tensor>): number {
  return [...new Set(tensors)].reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
}
