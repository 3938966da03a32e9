// From candidates to a plan: which layer becomes what, under a budget, and what to say when none fits.
import { RefusedError } from '../../base/index.ts'
import {
  type CompressibleLayer,
  type CostModel,
  type ErrorCurves,
  itemOf,
  type LayerCandidate,
  type LayerChoice,
  type LayerSurvey,
  type Method,
  type PruningProblem,
  wholeShape,
} from '../../compress/index.ts'
import { layersOf, type Model, macsOf, type Shapes } from '../../onnx/index.ts'
import { cheapest, type Item, type Selection, selectRatios } from '../../search/index.ts'

/** Everything that a choice is made from. */
export interface Choices {
  readonly layers: readonly CompressibleLayer[]
  readonly curves: ReadonlyMap<string, ErrorCurves>
  readonly cost: CostModel
  /** Cost of the layers that stay as they are. */
  readonly fixed: number
  /** The cost that ratios are shares of, when channels are gone already; that of the layers unless given. */
  readonly whole?: number
  readonly keepLayer: ReadonlySet<string>
  readonly multiple: number
  readonly method: Method
  /** Losses are made to rise with strength before the choice. */
  readonly monotone: boolean
  /** Candidates whose loss was measured, by layer; they stand for those of the curves. */
  readonly measured?: ReadonlyMap<string, readonly LayerCandidate[]>
}

export interface Plan {
  readonly choices: ReadonlyMap<string, LayerChoice>
  /** Layer → predicted loss. */
  readonly losses: ReadonlyMap<string, number>
  /** Cost after ÷ before, of all layers. */
  readonly ratio: number
  /** Channels that are taken out, as numbers of the channel graph. */
  readonly removed?: ReadonlySet<number>
  /** Whose numbers those are. */
  readonly problem?: PruningProblem
}

/** Does a plan leave every layer as it is? */
export function changesNothing({ choices, removed }: Plan): boolean {
  return choices.size === 0 && (removed?.size ?? 0) === 0
}

/** The plan for a share of the cost; undefined when it is out of reach. */
export type PlanAt = (ratio: number) => Plan | undefined

/** Cost of the layers that cannot be compressed. */
export function fixedCost(model: Model, survey: LayerSurvey, shapes: Shapes, cost: CostModel): number {
  const left = new Set(survey.left.map((layer) => layer.name))
  return layersOf(model)
    .filter((layer) => left.has(layer.name))
    .reduce((sum, layer) => {
      const bytes = 4 * (layer.weight.size + (layer.bias?.size ?? 0))
      return sum + (cost.name === 'bytes' ? bytes : (macsOf(layer, shapes) ?? 0))
    }, 0)
}

function itemsOf(
  choices: Choices,
  relaxed: { readonly multiple?: number; readonly free?: boolean } = {},
): Item<LayerCandidate>[] {
  const { layers, curves, cost, keepLayer, method, measured } = choices
  return layers.map((layer) => {
    const whole = cost.cost(wholeShape(layer.geometry, layer.sizes))
    const none = { name: layer.name, unchanged: { cost: whole, loss: 0 }, candidates: [] }
    const known = curves.get(layer.name)
    if (!known || (keepLayer.has(layer.name) && !relaxed.free)) return none
    const list = measured?.get(layer.name)
    if (list) return { ...none, candidates: list }
    return itemOf(layer, known, cost, { multiple: relaxed.multiple ?? choices.multiple, method })
  })
}

/** The cost that ratios are shares of. */
export function totalCost(choices: Choices): number {
  return choices.whole ?? ownCost(choices)
}

function ownCost(choices: Choices): number {
  return choices.fixed + itemsOf(choices).reduce((sum, item) => sum + item.unchanged.cost, 0)
}

/**
 * One plan for each ratio.
 * @throws RefusedError when a ratio is out of reach: names the nearest one, what holds it back and which limit to relax
 */
export function plansFor(choices: Choices, ratios: readonly number[], select: 'knapsack' | 'greedy'): Plan[] {
  const items = itemsOf(choices)
  const total = totalCost(choices)
  const selections = selectRatios(
    items,
    ratios.map((ratio) => Math.min(1, (ratio * total) / ownCost(choices))),
    { select, fixed: choices.fixed, monotone: choices.monotone },
  )
  return selections.map((selection, index) => {
    const ratio = ratios[index] ?? 1
    if (!selection) throw new RefusedError(outOfReach(choices, ratio, select))
    return planOf(items, selection, choices.fixed, total)
  })
}

/** The plan for a ratio, or undefined when it is out of reach. */
export function planOrNothing(choices: Choices, ratio: number, select: 'knapsack' | 'greedy'): Plan | undefined {
  try {
    return plansFor(choices, [ratio], select)[0]
  } catch (error) {
    if (error instanceof RefusedError) return undefined
    throw error
  }
}

function planOf(items: readonly Item[], selection: Selection<LayerCandidate>, fixed: number, total: number): Plan {
  const choices = new Map<string, LayerChoice>()
  const losses = new Map<string, number>()
  for (const [index, { choice, loss }] of selection.chosen.entries()) {
    const name = items[index]?.name ?? ''
    if (choice) choices.set(name, choice)
    losses.set(name, loss)
  }
  return { choices, losses, ratio: total > 0 ? (fixed + selection.cost) / total : 1 }
}

function outOfReach(choices: Choices, ratio: number, select: string): string {
  const total = totalCost(choices)
  const reach = (relaxed: Parameters<typeof itemsOf>[1]) =>
    (choices.fixed + cheapest(itemsOf(choices, relaxed)).cost) / total
  const nearest = reach({})
  const holders = itemsOf(choices)
    .filter((item) => item.candidates.length === 0)
    .map((item) => ({ name: item.name, share: item.unchanged.cost / total }))
    .sort((a, b) => b.share - a.share)
  const why = holders
    .slice(0, 3)
    .map(({ name, share }) => `${name} (${percent(share)} of the cost) ${reasonFor(choices, name)}`)
  if (choices.fixed > 0) why.push(`layers that cannot be split hold ${percent(choices.fixed / total)}`)
  const unit = choices.cost.name === 'bytes' ? 'parameter bytes' : 'MACs'
  const hints: string[] = []
  if (choices.multiple > 1 && reach({ multiple: 1 }) < nearest)
    hints.push(`--multiple 1 reaches ${share(reach({ multiple: 1 }))}`)
  if (choices.keepLayer.size > 0 && reach({ free: true }) < nearest)
    hints.push(`without --keep-layer ${share(reach({ free: true }))} is in reach`)
  if (hints.length === 0 && choices.method !== 'auto') hints.push('--method auto may reach more')
  const subject = nearest > ratio ? '' : ` by --select ${select}`
  return `${ratio} of the ${unit} cannot be reached under these limits${subject}: the nearest is ${share(nearest)}${
    why.length > 0 ? `; ${why.join('; ')}` : ''
  }${hints.length > 0 ? `. Relax a limit: ${hints.join('; ')}` : ''}`
}

function reasonFor({ keepLayer, multiple, curves }: Choices, name: string): string {
  if (keepLayer.has(name)) return 'is kept by --keep-layer'
  if (!curves.get(name)) return 'was not looked at'
  return multiple > 1 ? `gets no cheaper at a multiple of ${multiple}` : 'gets no cheaper at any rank'
}

const percent = (value: number) => `${(100 * value).toFixed(0)} %`
/** Rounded up, so that the named ratio can really be asked for. */
const share = (value: number) => (Math.ceil(value * 1000) / 1000).toFixed(3)
