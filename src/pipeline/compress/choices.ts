// From candidates of splits to a choice: which layer becomes what, for a share of the cost, and what to say when none fits.
import {
  type CompressibleLayer,
  type CostModel,
  type ErrorCurves,
  itemOf,
  type LayerCandidate,
  type LayerChoice,
  type LayerSurvey,
  type SplitFamily,
  wholeShape,
} from '../../compress/index.ts'
import { layersOf, type Model, macsOf, type Shapes } from '../../onnx/index.ts'
import { cheapest, type Item, type Selection, selectRatios } from '../../search/index.ts'
import type { Plan, Refusal } from './plan.ts'

/** Everything that a choice is made from. */
export interface Choices {
  readonly layers: readonly CompressibleLayer[]
  readonly curves: ReadonlyMap<string, ErrorCurves>
  readonly cost: CostModel
  /** Cost of the layers that stay as they are. */
  readonly fixed: number
  /** The cost that ratios are shares of, when channels are gone already; that of the layers unless given. */
  readonly whole?: number
  readonly keepLayers: ReadonlySet<string>
  readonly multiple: number
  readonly family: SplitFamily
  /** Knapsack is optimal; greedy is the published threshold search. */
  readonly select: 'knapsack' | 'greedy'
  /** Losses are made to rise with strength before the choice. */
  readonly monotone: boolean
  /** Candidates whose loss was measured, by layer; they stand for those of the curves. */
  readonly measured?: ReadonlyMap<string, readonly LayerCandidate[]>
}

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
  const { layers, curves, cost, keepLayers, measured } = choices
  return layers.map((layer) => {
    const whole = cost.cost(wholeShape(layer))
    const none = { name: layer.name, unchanged: { cost: whole, loss: 0 }, candidates: [] }
    const known = curves.get(layer.name)
    if (!known || (keepLayers.has(layer.name) && !relaxed.free)) return none
    const list = measured?.get(layer.name)
    if (list) return { ...none, candidates: list }
    return itemOf(layer, known, cost, relaxed.multiple ?? choices.multiple)
  })
}

/** The cost that ratios are shares of. */
export function totalCost(choices: Choices): number {
  return choices.whole ?? ownCost(choices)
}

function ownCost(choices: Choices): number {
  return choices.fixed + itemsOf(choices).reduce((sum, item) => sum + item.unchanged.cost, 0)
}

/** A plan for each ratio, found in one search; where one is out of reach the nearest, what holds it back and which limit to relax. */
export function splitPlans(choices: Choices, ratios: readonly number[]): (Pick<Plan, Kept> | Refusal)[] {
  const items = itemsOf(choices)
  const total = totalCost(choices)
  const { select, fixed, monotone } = choices
  const selections = selectRatios(
    items,
    ratios.map((ratio) => Math.min(1, (ratio * total) / ownCost(choices))),
    { select, fixed, monotone },
  )
  return selections.map((selection, index) =>
    selection ? planOf(items, selection, fixed, total) : { refused: outOfReach(choices, ratios[index] ?? 1) },
  )
}

type Kept = 'splits' | 'losses' | 'ratio'

function planOf(
  items: readonly Item[],
  selection: Selection<LayerCandidate>,
  fixed: number,
  total: number,
): Pick<Plan, Kept> {
  const splits: [string, LayerChoice][] = []
  const losses: [string, number][] = []
  for (const [index, { choice, loss }] of selection.chosen.entries()) {
    const name = items[index]?.name ?? ''
    if (choice) splits.push([name, choice])
    losses.push([name, loss])
  }
  const ratio = total > 0 ? (fixed + selection.cost) / total : 1
  return { splits: Object.fromEntries(splits), losses: Object.fromEntries(losses), ratio }
}

function outOfReach(choices: Choices, ratio: number): string {
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
  if (choices.keepLayers.size > 0 && reach({ free: true }) < nearest)
    hints.push(`without --keep-layer ${share(reach({ free: true }))} is in reach`)
  if (hints.length === 0 && choices.family !== 'auto') hints.push('--method auto may reach more')
  const subject = nearest > ratio ? '' : ` by --select ${choices.select}`
  return `${ratio} of the ${unit} cannot be reached under these limits${subject}: the nearest is ${share(nearest)}${
    why.length > 0 ? `; ${why.join('; ')}` : ''
  }${hints.length > 0 ? `. Relax a limit: ${hints.join('; ')}` : ''}`
}

function reasonFor({ keepLayers, multiple, curves }: Choices, name: string): string {
  if (keepLayers.has(name)) return 'is kept by --keep-layer'
  if (!curves.get(name)) return 'was not looked at'
  return multiple > 1 ? `gets no cheaper at a multiple of ${multiple}` : 'gets no cheaper at any rank'
}

const percent = (value: number) => `${(100 * value).toFixed(0)} %`
/** Rounded up, so that the named ratio can really be asked for. */
const share = (value: number) => (Math.ceil(value * 1000) / 1000).toFixed(3)
