// What the channel rules work with: maps of values, sets of channels, and the reasons why some are closed.

import type { Node } from '../model.ts'
import type { Constants } from '../ops/index.ts'
import type { Shapes } from '../shapes.ts'
import type { Tensor } from '../tensor.ts'
import { type ChannelMap, singleAxis } from './channel-map.ts'
import { UnionFind } from './union-find.ts'

/** What is to be done with channels: multiplied by a factor, or taken out. They pass through different operators. */
export type ChannelPurpose = 'scale' | 'remove'

/** A constant that has one entry a channel (or one for all) beside the weights: it changes with the channels. */
export interface ChannelCarrier {
  readonly node: Node
  /** Input slot of the constant. */
  readonly index: number
  readonly tensor: Tensor
  /** Axis of the constant that holds the channels; absent when it is the same for all of them. */
  readonly axis?: number
  readonly ids: Int32Array
  /**
   * add: it is in the value's unit (Add, Sub, Max, Min). gain: so it is, and it writes the channels, as a layer does (behind a
   * norm). divisor: likewise, but the value is divided by it. multiply: it is a factor. norm: a BatchNormalization's parameter.
   */
  readonly role: 'add' | 'gain' | 'divisor' | 'multiply' | 'norm'
}

/** A Clip that channels pass through. */
export interface ChannelClip {
  readonly node: Node
  readonly low: number
  readonly high: number
  readonly ids: Int32Array
}

/** An entry of a shape: a known number, or the size of the axis that holds these channels; neither for any other number. */
export interface ShapeEntry {
  readonly value?: number
  readonly ids?: Int32Array
}

export class ChannelScope {
  readonly purpose: ChannelPurpose
  readonly constants: Constants
  readonly shapes: Shapes
  /** Outputs of products with a vector that begin channels of their own, whatever they multiply. */
  readonly gains: ReadonlySet<string>
  readonly sets: UnionFind = new UnionFind()
  readonly maps: Map<string, ChannelMap> = new Map()
  readonly closed: Map<number, string> = new Map()
  readonly carriers: ChannelCarrier[] = []
  readonly clips: ChannelClip[] = []
  /** Values inside a written out Gelu, which a runtime knows by its constants. */
  readonly insideGelu: Set<string> = new Set()
  /** Values whose channels are heads of attention; known only when channels are taken out. */
  headed: ReadonlySet<string> = new Set()
  /** Vectors that were computed from shapes; followed only when channels are taken out. */
  readonly shapeValues: Map<string, readonly ShapeEntry[]> = new Map()

  constructor(purpose: ChannelPurpose, constants: Constants, shapes: Shapes, gains: ReadonlySet<string> = new Set()) {
    this.gains = gains
    this.purpose = purpose
    this.constants = constants
    this.shapes = shapes
  }

  dims(value: string | undefined): readonly number[] | undefined {
    return value ? this.shapes.get(value)?.dims : undefined
  }

  map(value: string | undefined): ChannelMap | undefined {
    return value ? this.maps.get(value) : undefined
  }

  set(value: string | undefined, map: ChannelMap | undefined): void {
    if (value && map) this.maps.set(value, map)
  }

  /** Channels that stay as they are, and why. */
  close(ids: Iterable<number> | undefined, why: string): void {
    for (const id of ids ?? []) if (!this.closed.has(id)) this.closed.set(id, why)
  }

  closeValue(value: string | undefined, why: string): void {
    this.close(this.map(value)?.ids, why)
  }

  /** Must all of these channels stay as they are, by what is known so far? */
  isClosed(ids: Int32Array): boolean {
    if (ids.every((id) => this.closed.has(id))) return true
    const roots = new Set([...this.closed.keys()].map((id) => this.sets.root(id)))
    return ids.every((id) => roots.has(this.sets.root(id)))
  }

  join(a: Int32Array, b: Int32Array): void {
    for (let i = 0; i < a.length; i++) this.sets.join(a[i] ?? 0, b[i] ?? 0)
  }

  /** The numbers of a value's channels when they lie on `axis`. */
  idsOn(value: string | undefined, axis: number): Int32Array | undefined {
    const single = singleAxis(this.map(value))
    return single?.axis === axis ? single.ids : undefined
  }

  /** New channels that nothing ties to others, closed for a reason. */
  closedIds(count: number, why: string): Int32Array {
    const ids = this.sets.add(count)
    this.close(ids, why)
    return ids
  }
}
