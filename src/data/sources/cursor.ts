// Random access to something that can only be read from the beginning.
import { type InputError, messageOf, OnnxpressError, settledWithin } from '../../base/index.ts'

export type Items = AsyncIterable<unknown> | Iterable<unknown>

/** Makes an error about the samples of one module. */
export type Fail = (problem: string) => InputError

/** An iteration that is not read to its end may clean up after itself, but not for ever. */
const CLEAN_UP_MS = 250

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
      if (this.#iterator) await settledWithin(this.#iterator.return(undefined), CLEAN_UP_MS)
      this.#iterator = iterate(await this.#start())
      this.#next = 0
    }
    for (;;) {
      const { done, value } = await nextOf(this.#iterator, this.#next, this.#fail)
      if (done)
        throw this.#fail(
          `it yielded ${this.#next} samples, number ${index} was asked for; it must yield the same each time`,
        )
      if (this.#next++ === index) return value
    }
  }
}

/**
 * The next item.
 * @throws what `fail` makes of anything that the person's own code throws, naming the sample
 */
export async function nextOf(
  items: AsyncIterator<unknown>,
  index: number,
  fail: Fail,
): Promise<IteratorResult<unknown, unknown>> {
  try {
    return await items.next()
  } catch (error) {
    throw error instanceof OnnxpressError ? error : fail(`sample ${index} could not be made: ${messageOf(error)}`)
  }
}

export async function* iterate(items: Items): AsyncGenerator<unknown> {
  yield* items
}
