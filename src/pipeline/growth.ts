// A model that became larger although nothing asked for it, and what did that.
import { allNodes, encodedLength, type Model, type Tensor } from '../onnx/index.ts'

/** More than this is said. */
const WORTH_SAYING = 1.01
/** Larger models are not written into memory. */
const LARGE_BYTES = 2 ** 28

/** Says what makes a model's file larger than that of the model before; undefined when it is not larger. */
export function growthNote(before: Model, after: Model): string | undefined {
  const [old, now] = [constantsIn(before), constantsIn(after)]
  const [from, to] = [encodedLength(before), encodedLength(after)]
  if (to <= from * WORTH_SAYING) return undefined
  const known = new Set(old.values())
  const added = [...now].filter(([, tensor]) => !known.has(tensor))
  const [first, ...others] = added.toSorted(([, a], [, b]) => b.byteLength - a.byteLength)
  const share = `the file is ${Math.ceil(1000 * (to / from - 1)) / 10} % larger`
  if (!first || bytesOf(now.values()) <= bytesOf(old.values()))
    return `${share}: nodes got names, or became several of a newer opset; its constants take no more bytes than before`
  const rest = others.length > 0 ? ` and ${others.length} more` : ''
  return `${share}: ${first[0]} (${first[1].dtype} [${first[1].shape}])${rest} took in what was folded, and cannot be stored in its old form or be shared any more`
}

/** Is a model too large to be written into memory? */
export function isLarge(model: Model): boolean {
  return bytesOf(constantsIn(model).values()) > LARGE_BYTES
}

function constantsIn(model: Model): Map<string, Tensor> {
  const found = new Map(model.graph.initializers)
  for (const node of allNodes(model.graph))
    for (const attribute of node.attributes.values())
      if (attribute.type === 'tensor') found.set(node.outputs[0] ?? '', attribute.value)
  return found
}

function bytesOf(tensors: Iterable<Tensor>): number {
  return [...new Set(tensors)].reduce((sum, { byteLength }) => sum + byteLength, 0)
}
