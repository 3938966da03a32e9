// Blocks of 4 bits, and 8 bits a channel in the layers that lose most by 4: as many as a size allows, or as few as an SQNR asks for.
import { RefusedError, report } from '../../base/index.ts'
import { fakeQuantize, type QuantParams } from '../../math/index.ts'
import { type Layer, type Model, writeModel } from '../../onnx/index.ts'
import { type BlockedWeight, bytesOfBlocked, decoded, weightGrid } from '../../quantize/index.ts'
import { storeOnce } from '../../rewrite/index.ts'
import { type Candidate, type Item, knapsack, type Selection } from '../../search/index.ts'
import type { Blocked, CodeJudge } from './block-codes.ts'
import type { ModeJob } from './mode.ts'
import { gain } from './rows.ts'

/** Sizes between all layers in 4 and all in 8 bits that are looked at for an SQNR. */
const SIZES = 64
/** Bytes of a channel beside its codes: scale, zero point, and its share of names. */
const SCALE_BYTES = 5
/** What is asked of the held-back samples beyond what is promised: others are scored. */
const MARGIN_DB = 0.3

interface Bits extends Candidate {
  readonly bits: 4 | 8
}

/** A weight, and the layers that share it. */
interface Shared {
  readonly weight: BlockedWeight
  readonly layers: readonly Layer[]
}

export interface MixedOptions {
  readonly block: number
  /** The whole file with these weights. */
  readonly finish: (weights: Blocked) => Model
  readonly judging?: CodeJudge
}

/**
 * The layers that stay in blocks of 4 bits, by the recipe's `maxBytes` and `minSqnr`; the others get 8 bits a channel, which ONNX
 * Runtime multiplies faster than blocks of 8.
 * @param few all layers in blocks of 4 bits
 * @throws RefusedError when 4 bits everywhere are too large, or 8 everywhere too inexact
 */
export async function mixedBits(job: ModeJob, few: Blocked, options: MixedOptions): Promise<Blocked> {
  const { recipe, notes, watch } = job
  const { maxBytes, minSqnr } = recipe
  if (few.size === 0 || (maxBytes === undefined && minSqnr === undefined)) return few
  const { judging, finish } = options
  judging?.rows.start()
  report(watch, { step: 'techniques', done: 0, total: 1, message: 'bits of each layer' })
  const groups = groupsOf(few)
  const items = await itemsOf(job, groups, options)
  const take = ({ chosen }: Selection<Bits>): Blocked =>
    new Map(
      groups.flatMap(({ weight, layers }, i) =>
        chosen[i]?.bits === 4 ? layers.map((layer) => [layer, weight] as const) : [],
      ),
    )
  const mixed = take(
    minSqnr === undefined
      ? withinBytes(items, take, maxBytes ?? 0, options)
      : await aboveSqnr(items, take, { ...options, minDb: minSqnr + MARGIN_DB }, job),
  )
  const eight = few.size - mixed.size
  notes.push(`${eight} of ${few.size} layers keep 8 bits a channel, the others have blocks of 4`)
  if (judging) {
    const before = await judging.judge.score(finish(few), watch)
    const after = await judging.judge.score(finish(mixed), watch)
    judging.rows.add('mixed', true, after, `${gain(after, before)}, ${eight} layers in 8 bits`)
  }
  return mixed
}

function groupsOf(few: Blocked): Shared[] {
  const groups = new Map<BlockedWeight, Layer[]>()
  for (const [layer, weight] of few) groups.set(weight, [...(groups.get(weight) ?? []), layer])
  return [...groups].map(([weight, layers]) => ({ weight, layers }))
}

/** What each weight costs in bytes, and the noise that it alone brings to the outputs; without samples to its own numbers. */
async function itemsOf(
  { options, watch }: ModeJob,
  groups: readonly Shared[],
  { block, judging }: MixedOptions,
): Promise<Item<Bits>[]> {
  const items: Item<Bits>[] = []
  for (const { weight, layers } of groups) {
    const { rows, columns } = weight
    const [layer] = layers
    if (!layer) continue
    const own = noiseOfBlocks(layer, weight)
    const loss = judging
      ? await judging.judge.noiseOf(judging.write(new Map(layers.map((each) => [each, weight]))), watch)
      : own
    const share = own > 0 ? Math.min(1, noiseOfChannels(layer, weightGrid(layer, options, 8)) / own) : 1
    const cost = bytesOfBlocked(rows, columns, { block, bits: 4 })
    items.push({
      name: layer.name,
      unchanged: { bits: 4, cost, loss },
      candidates: [{ bits: 8, cost: rows * (columns + SCALE_BYTES), loss: loss * share }],
    })
  }
  return items
}

/** Square error of a weight's numbers as a share of their squares. */
function noiseOfBlocks({ weight, view }: Layer, { rows, columns, codes, grids }: BlockedWeight): number {
  if (!view) return 0
  const values = weight.floats()
  const { data } = decoded(rows, columns, codes, grids)
  let [noise, signal] = [0, 0]
  for (let row = 0, at = 0; row < rows; row++)
    for (let k = 0; k < columns; k++, at++) {
      const w = values[view.offset(row) + k * view.inputStride]!
      noise += (w - data[at]!) ** 2
      signal += w * w
    }
  return signal > 0 ? noise / signal : 0
}

function noiseOfChannels({ weight }: Layer, params: QuantParams): number {
  const values = weight.floats()
  const fake = fakeQuantize(values, params, weight.shape, true)
  let [noise, signal] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    noise += (values[i]! - fake[i]!) ** 2
    signal += values[i]! ** 2
  }
  return signal > 0 ? noise / signal : 0
}

function withinBytes(
  items: readonly Item<Bits>[],
  take: (selection: Selection<Bits>) => Blocked,
  maxBytes: number,
  { finish }: MixedOptions,
): Selection<Bits> {
  const least = sum(items.map(({ unchanged }) => unchanged.cost))
  const sizeOf = (selection: Selection<Bits>) => bytesOf(finish(take(selection)))
  const [small] = knapsack(items, [least])
  if (!small) throw new Error('the cheapest choice was not found')
  const smallest = sizeOf(small)
  if (smallest > maxBytes)
    throw new RefusedError(
      `the file has ${smallest} bytes with 4 bits in all layers, more than ${maxBytes}: allow more, take larger blocks, or --embeddings 4`,
    )
  // Names and padding are not in the costs: what they take is taken off.
  for (let budget = least + maxBytes - smallest; budget > least; ) {
    const [found] = knapsack(items, [budget])
    if (!found) break
    const over = sizeOf(found) - maxBytes
    if (over <= 0) return found
    budget = Math.min(found.cost, budget) - over
  }
  return small
}

async function aboveSqnr(
  items: readonly Item<Bits>[],
  take: (selection: Selection<Bits>) => Blocked,
  { finish, judging, minDb }: MixedOptions & { readonly minDb: number },
  { recipe, watch }: ModeJob,
): Promise<Selection<Bits>> {
  if (!judging) throw new Error('an SQNR needs samples')
  const least = sum(items.map(({ unchanged }) => unchanged.cost))
  const most = sum(items.map(({ candidates }) => candidates[0]?.cost ?? 0))
  const budgets = Array.from({ length: SIZES + 1 }, (_, i) => least + ((most - least) * i) / SIZES)
  const choices = knapsack(items, budgets).flatMap((each) => (each ? [each] : []))
  const reaches = async (selection: Selection<Bits>) =>
    (await judging.judge.score(finish(take(selection)), watch)).db >= minDb
  const last = choices.at(-1)
  if (!last || !(await reaches(last)))
    throw new RefusedError(
      `${recipe.minSqnr} dB cannot be kept, not even with 8 bits in all layers: ask for less, or leave float what loses most (--exclude, --embeddings float)`,
    )
  let [low, high] = [0, choices.length - 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (await reaches(choices[middle]!)) high = middle
    else low = middle + 1
  }
  const found = choices[high] ?? last
  const bytes = recipe.maxBytes === undefined ? 0 : bytesOf(finish(take(found)))
  if (recipe.maxBytes !== undefined && bytes > recipe.maxBytes)
    throw new RefusedError(
      `${recipe.minSqnr} dB take ${bytes} bytes, more than ${recipe.maxBytes}: allow more, or ask for less`,
    )
  return found
}

const bytesOf = (model: Model): number =>
  writeModel(storeOnce.apply(model, { shapes: new Map(), statistics: new Map() }).model).byteLength

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
