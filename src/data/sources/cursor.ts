// Random access to something that can only be read from the beginning.
import type { InputError } from '../../base/index.ts'

export type Items = AsyncIterable<unknown> | Iterable<unknown>

/** Makes an error about the samples of one module. */
export type Fail = (problem: string) => InputError

/** Reads items in order; going back starts again. One request is served at a time. */
export class Cursor {
  readonly #start: () => Promise<Items>
  readonly #fail: Fail
  #iterator: AsyncGenerator<unknown> | undefined
  #next = 0
  #queue: Promise<unknown> = Promise.resolve()

  constructor(start: () => Promise<Items>, fail: Fail) {
    this.#start = start
    this.#fail = fail
  }

  at(index: number): Promise<unknown> {
    const item = this.#queue.then(() => this.#advance(index))
    this.#queue = item.catch(() => {})
    return item
  }

  async #advance(index: number): Promise<unknown> {
    if (!this.#iterator || index < this.#next) {
      await this.#iterator?.return(undefined)
      this.#iterator = iterate(await this.#start())
      this.#next = 0
    }
    for (;;) {
      const { done, value } = await this.#iterator.next()
      if (done)
        throw this.#fail(
          `it yielded ${this.#next} samples, number ${index} was asked for; it must yield the same each time`,
        )
      if (this.#next++ === index) return value
    }
  }
}

async function* iterate(items: Items): AsyncGenerator<unknown> {
  yield* items
}
