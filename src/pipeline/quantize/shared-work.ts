// What several quantisations of one model on the same samples have in common is done once.
import type { QuantizeRecipe } from '../../recipe/index.ts'

/** Results of steps by what they depend on. */
export class SharedWork {
  readonly #done = new Map<string, Promise<unknown>>()

  /** What `work` gives, or gave when it was first asked for with the same key. */
  once<T>(step: string, on: unknown, work: () => Promise<T>): Promise<T> {
    const key = `${step} ${JSON.stringify(on)}`
    const known = this.#done.get(key) as Promise<T> | undefined
    if (known) return known
    const begun = work()
    this.#done.set(key, begun)
    return begun
  }
}

/** The recipe without what only says how a result is written: two with the same rest find the same codes. */
export function withoutForm(recipe: QuantizeRecipe): Partial<QuantizeRecipe> {
  const { output, float16, ioType, ...rest } = recipe
  return rest
}

/** Does the work, or takes what another quantisation made of it. */
export function sharedOr<T>(
  shared: SharedWork | undefined,
  step: string,
  on: unknown,
  work: () => Promise<T>,
): Promise<T> {
  return shared ? shared.once(step, on, work) : work()
}
