// What becomes of each layer: plain data by the names of layers, which can be written down, compared and built anywhere.
import type { LayerChoice } from '../../compress/index.ts'

export interface Plan {
  /** The method that builds it. */
  readonly method: string
  /** Layer → its split; the others keep their form. */
  readonly splits: Readonly<Record<string, LayerChoice>>
  /** Layer → places of its output channels that stay; layers that keep all of them are not here. */
  readonly channels: Readonly<Record<string, readonly number[]>>
  /** Layer → predicted loss. */
  readonly losses: Readonly<Record<string, number>>
  /** Cost after ÷ before, of all layers. */
  readonly ratio: number
}

/** Why there is no plan, in one sentence. */
export interface Refusal {
  readonly refused: string
}

/** A plan for each share of the cost, or why it is out of reach. */
export type PlansAt = (ratios: readonly number[]) => readonly (Plan | Refusal)[]

export function isRefusal(found: object): found is Refusal {
  return 'refused' in found
}

/** The plan for one share of the cost, if it is in reach. */
export function planAt(plansAt: PlansAt, ratio: number): Plan | undefined {
  const [found] = plansAt([ratio])
  return found && !isRefusal(found) ? found : undefined
}

/** Does a plan leave every layer as it is? */
export function changesNothing({ splits, channels }: Plan): boolean {
  return Object.keys(splits).length === 0 && Object.keys(channels).length === 0
}

/** Names what a plan makes of a model, whoever made it: equal plans have equal names. */
export function planName({ splits, channels }: Plan): string {
  return JSON.stringify([Object.entries(splits), Object.entries(channels)])
}
