// Rows on their way into moments: joined to long products, because many short ones cost more than they compute.
import type { Products } from '../math/index.ts'
import type { Moments } from './moments.ts'

/** Numbers that wait at most, unless one batch alone has more. */
const ENOUGH = 4e6

/** Room for the next rows, to be written in full. */
export interface Room {
  readonly x: Float32Array
  readonly y: Float32Array
}

/** Collects rows of x and y and adds them to moments in long pieces. Call `finish` before the moments are read. */
export class MomentFeed {
  readonly #moments: Moments
  readonly #products: Products
  #x: Float32Array = new Float32Array(0)
  #y: Float32Array = new Float32Array(0)
  #rows = 0
  /** Rows of the first batch that waits. */
  #first = 0

  constructor(products: Products, moments: Moments) {
    this.#products = products
    this.#moments = moments
  }

  /** Room for `rows` rows of x and y, which count as added. */
  async next(rows: number): Promise<Room> {
    const { inputs, outputs } = this.#moments
    const most = Math.max(this.#first, Math.floor(ENOUGH / inputs))
    if (this.#rows > 0 && this.#rows + rows > most) await this.finish()
    if (this.#rows === 0) this.#first = rows
    const wanted = (this.#rows + rows) * inputs
    if (wanted > this.#x.length) {
      // A depthwise layer has hundreds of these: room grows with what comes.
      const room = Math.max(this.#rows + rows, Math.min(2 * (this.#rows + rows), most))
      this.#x = grown(this.#x, this.#rows * inputs, room * inputs)
      this.#y = grown(this.#y, this.#rows * outputs, room * outputs)
    }
    const from = this.#rows
    this.#rows += rows
    return {
      x: this.#x.subarray(from * inputs, this.#rows * inputs),
      y: this.#y.subarray(from * outputs, this.#rows * outputs),
    }
  }

  async finish(): Promise<void> {
    const { inputs, outputs } = this.#moments
    const rows = this.#rows
    this.#rows = 0
    if (rows === 0) return
    const x = { rows, columns: inputs, data: this.#x.subarray(0, rows * inputs) }
    const y = { rows, columns: outputs, data: this.#y.subarray(0, rows * outputs) }
    // They go to the worker as they are; the next rows get room of their own.
    this.#x = new Float32Array(0)
    this.#y = new Float32Array(0)
    await this.#moments.add(this.#products, x, outputs > 0 ? y : undefined)
  }
}

function grown(old: Float32Array, used: number, size: number): Float32Array {
  const room = new Float32Array(size)
  room.set(old.subarray(0, used))
  return room
}
