// Two layouts of one value: plain [N, C, H, W], and blocked [N, C/B, H, W, B], in which ONNX Runtime convolves much faster.
import { intAttr } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { BLOCKED_DOMAIN } from './block-size.ts'

/** Channels that the runtime reorders at once. */
const REORDERED = 4

/**
 * Which layouts of a value exist. Blocked values are declared with the shape [N, C', H, W], C' the channels filled up to
 * whole blocks; what the added channels hold is never read. The other layout is made when somebody asks for it.
 */
export class Layouts {
  readonly g: Emitter
  readonly block: number
  readonly #blocked = new Map<string, string>()
  /** Depthwise weights that are blocked already, because they are maps. */
  readonly filters: Map<string, string> = new Map()
  /** Values that exist blocked only → how their plain layout is made. */
  readonly #missing = new Map<string, () => void>()

  constructor(g: Emitter, block: number) {
    this.g = g
    this.block = block
  }

  /** Channels filled up to whole blocks. */
  filled(channels: number): number {
    return Math.ceil(channels / this.block) * this.block
  }

  isBlocked(value: string): boolean {
    return this.#blocked.has(value)
  }

  /** Does only the blocked layout exist? */
  isMissing(value: string): boolean {
    return this.#missing.has(value)
  }

  /** Can the blocked layout be had? */
  canBlock(value: string): boolean {
    if (this.#blocked.has(value)) return true
    const { dims, dtype } = this.g.known(value)
    return dims.length === 4 && dtype === 'float32' && !this.#missing.has(value)
  }

  /** Says that a node made `value` in the blocked layout, under the name `blocked`. */
  made(value: string, blocked: string, plain?: () => void): void {
    this.#blocked.set(value, blocked)
    this.#missing.set(value, plain ?? (() => this.#reorderOutput(value, blocked)))
  }

  /** Says that `value` is a depthwise weight [C, 1, h, w] that exists in the kernel's order, under the name `blocked`. */
  madeFilter(value: string, blocked: string, plain: () => void): void {
    this.filters.set(value, blocked)
    this.#missing.set(value, plain)
  }

  /** The blocked layout of a value. */
  blocked(value: string): string {
    const present = this.#blocked.get(value)
    if (present) return present
    const { g } = this
    const [batch = 1, channels = 1, ...map] = g.dims(value)
    const filled = this.filled(channels)
    const source = channels % REORDERED === 0 ? value : g.pad(value, [0, 0, 0, 0, 0, filled - channels, 0, 0])
    const name = g.addOwn({ domain: BLOCKED_DOMAIN, opType: 'ReorderInput' }, [source], [batch, filled, ...map])
    this.#blocked.set(value, name)
    return name
  }

  /** Makes sure that the plain layout of a value exists, under its own name. */
  plain(value: string): void {
    const make = this.#missing.get(value)
    this.#missing.delete(value)
    make?.()
  }

  #reorderOutput(value: string, blocked: string): void {
    this.g.editor.addNode({
      opType: 'ReorderOutput',
      domain: BLOCKED_DOMAIN,
      inputs: [blocked],
      outputs: [value],
      attributes: { channels: intAttr(this.g.dims(value)[1] ?? 1) },
    })
  }
}
