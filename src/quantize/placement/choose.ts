// Which nodes run in integers, and why the others do not.
import { type Layer, layerOf, type Node } from '../../onnx/index.ts'
import { type FloatReason, whyFloat, whyNoKernel } from './reasons.ts'
import type { Scope } from './scope.ts'

export interface Choice {
  /** Integer layers by their node. */
  readonly layers: ReadonlyMap<Node, Layer>
  /** Float layers whose weight is stored in codes. */
  readonly stored: ReadonlyMap<Node, Layer>
  readonly integer: ReadonlySet<Node>
  /** Nodes that could have been integer by their operator, and why they are not. */
  readonly reasons: ReadonlyMap<Node, FloatReason>
}

/**
 * Layers become integer wherever the kernel exists and pays; other operators only between integer neighbours, because alone they
 * cost two conversions and gain none.
 */
export function chooseNodes(scope: Scope): Choice {
  const chooser = new Chooser(scope)
  for (const node of scope.nodes) chooser.consider(node)
  chooser.keepFloat()
  chooser.prune()
  return chooser
}

class Chooser implements Choice {
  readonly layers = new Map<Node, Layer>()
  readonly stored = new Map<Node, Layer>()
  readonly integer = new Set<Node>()
  readonly reasons = new Map<Node, FloatReason>()
  readonly #scope: Scope

  constructor(scope: Scope) {
    this.#scope = scope
  }

  consider(node: Node): void {
    const scope = this.#scope
    const op = scope.role(node)
    const layer = layerOf(node, scope.constants)
    const alone = scope.options.target.takesAll && !scope.isFused(node, this.integer)
    const unknown = !op || (op.role === 'activation' && !alone)
    const reason = unknown ? whyNoKernel(scope, node, layer) : whyFloat(scope, node, layer)
    if (reason) this.reasons.set(node, reason)
    if (unknown) {
      const stores = scope.options.target.storesWeight.includes(node.opType) && !scope.excluded(node)
      if (layer && stores && isStorable(layer)) this.stored.set(node, layer)
    } else if (!reason) {
      if (op.role === 'layer' && layer) this.layers.set(node, layer)
      this.integer.add(node)
    }
  }

  /** Takes out what would need a grid for a value that has none. */
  keepFloat(): void {
    const { floatValues } = this.#scope
    if (floatValues.size === 0) return
    for (const node of [...this.integer]) {
      const needed = this.#scope.role(node)?.output === 'optional' ? [] : this.#results(node)
      const value = [...this.#scope.dataInputs(node), ...needed].find((name) => floatValues.has(name))
      if (value === undefined) continue
      this.integer.delete(node)
      this.layers.delete(node)
      this.reasons.set(node, { code: 'cost', text: floatValues.get(value) ?? '' })
    }
  }

  /** Takes out, until nothing changes, what has no integer neighbour on both sides. */
  prune(): void {
    const { consumers, options } = this.#scope
    if (options.target.takesAll) return
    const made = new Map<string, Node>()
    for (const node of this.integer) for (const result of this.#results(node)) made.set(result, node)
    let changed = true
    while (changed) {
      changed = false
      for (const node of this.integer) {
        if (this.layers.has(node)) continue
        const inputs = this.#scope.dataInputs(node)
        const fed = inputs.some((input) => this.integer.has(made.get(input) ?? node) && made.has(input))
        const readers = this.#results(node).map((result) => consumers.get(result) ?? [])
        const some = (list: readonly Node[]) => list.some((reader) => this.integer.has(reader))
        if (fed && (this.#scope.role(node)?.gives === 'all' ? readers.every(some) : readers.some(some))) continue
        this.integer.delete(node)
        const text = fed ? 'no integer operator reads it' : 'no integer operator feeds it'
        this.reasons.set(node, { code: 'alone', text })
        changed = true
      }
    }
  }

  #results(node: Node): string[] {
    return this.#scope.results(node, this.layers.get(node))
  }
}

const isStorable = ({ weight, weightIndex }: Layer) => weight.dtype === 'float32' && weightIndex === 1
