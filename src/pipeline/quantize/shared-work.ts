// What several quantisations of one model on the same samples have in common is done once.
import type { QuantizeRecipe } from '../../recipe/index.ts'
import { isWide } from './options-for.ts'

/** What the result of a step depends on: two recipes with the same share it. */
const dependsOn = {
  rewrite: isWide,
  search: withoutForm,
  codes: withoutForm,
  reaches: (recipe: QuantizeRecipe) => [isWide(recipe), recipe.data, recipe.samples, recipe.seed],
} as const

type Step = keyof typeof dependsOn

const keyOf = (step: Step, recipe: QuantizeRecipe) => `${step} ${JSON.stringify(dependsOn[step](recipe))}`

/** Results of steps by what they depend on. */
export class SharedWork {
  readonly #done = new Map<string, Promise<unknown>>()

  /** What `work` gives, or gave when it was first asked for with the same key. */
  once<T>(step: Step, recipe: QuantizeRecipe, work: () => Promise<T>): Promise<T> {
    const key = keyOf(step, recipe)
    const known = this.#done.get(key) as Promise<T> | undefined
    if (known) return known
    const begun = work()
    this.#done.set(key, begun)
    return begun
  }

  /** Forgets what none of the quantisations that are left shares: results hold whole models. */
  keepFor(left: readonly QuantizeRecipe[]): void {
    const steps = Object.keys(dependsOn) as Step[]
    const wanted = new Set(left.flatMap((recipe) => steps.map((step) => keyOf(step, recipe))))
    for (const key of this.#done.keys()) if (!wanted.has(key)) this.#done.delete(key)
  }
}

/** The recipe without what only says how a result is written: two with the same rest find the same codes. */
function withoutForm(recipe: QuantizeRecipe): Partial<QuantizeRecipe> {
  const { output, float16, ioType, ...rest } = recipe
  return rest
}

/** Does the work, or takes what another quantisation made of it. */
export function sharedOr<T>(
  shared: SharedWork | undefined,
  step: Step,
  recipe: QuantizeRecipe,
  work: () => Promise<T>,
): Promise<T> {
  return shared ? shared.once(step, recipe, work) : work()
}
