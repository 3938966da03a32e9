// Where a folded constant came from, so that what nobody changed can be computed again instead of being stored.
import type { Node, Tensor } from '../../onnx/index.ts'

/** The node that a constant was computed with, and its inputs; an absent optional input is undefined. */
export interface Origin {
  readonly node: Pick<Node, 'opType' | 'domain' | 'name' | 'attributes'>
  readonly inputs: readonly (Tensor | undefined)[]
  /** The opset that the node was written for. */
  readonly opset: number
}

/** Tensors are immutable and travel by identity: a tensor that still is the folded one still has its origin. */
const origins = new WeakMap<Tensor, Origin>()

/** Notes what a constant was computed from. */
export function setOrigin(tensor: Tensor, origin: Origin): void {
  origins.set(tensor, origin)
}

/** What a constant was computed from; undefined for one that a file holds, or that was changed. */
export function originOf(tensor: Tensor): Origin | undefined {
  return origins.get(tensor)
}

/** The tensors that files hold, from which a constant was computed: itself when it was not. */
export function sourcesOf(tensor: Tensor): Set<Tensor> {
  const origin = origins.get(tensor)
  if (!origin) return new Set([tensor])
  return new Set(origin.inputs.flatMap((input) => (input ? [...sourcesOf(input)] : [])))
}
