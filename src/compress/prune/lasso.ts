// The lasso's order of channels: those whose weight stays zero longest, as the penalty falls, go first.
import { type Matrix, matrix, type Products } from '../../math/index.ts'
import type { FitTarget } from '../target.ts'

/** Penalties from the one that silences everything down, geometrically. */
const STEPS = 80
const LOWEST = 1e-4
const SWEEPS = 20

/**
 * For min ½·tᵀGt − hᵀt + λ‖t‖₁ the largest λ at which t_i is not zero, for each i: coordinate descent down a path of λ
 * (arXiv 1707.06168, Sec. 3.1, with the Gram matrix instead of the samples). Coordinates that never move get 0.
 * @param gram G [m, m], the inner products of the channels' contributions to the output
 * @param target h [m], those of the contributions with the output itself
 */
export function lassoEntries(gram: Matrix, target: Float64Array): Float64Array {
  const m = gram.rows
  const entries = new Float64Array(m)
  const t = new Float64Array(m)
  // h − G·t
  const rest = target.slice()
  const start = target.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  for (let step = 1; step <= STEPS && start > 0; step++) {
    const penalty = start * LOWEST ** (step / STEPS)
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      let moved = 0
      for (let i = 0; i < m; i++) {
        const own = gram.data[i * (m + 1)]!
        if (!(own > 0)) continue
        const pull = rest[i]! + own * t[i]!
        const next = Math.abs(pull) <= penalty ? 0 : (pull - Math.sign(pull) * penalty) / own
        const change = next - t[i]!
        if (change === 0) continue
        t[i] = next
        moved = Math.max(moved, Math.abs(change))
        for (let j = 0; j < m; j++) rest[j]! -= change * gram.data[i * m + j]!
      }
      if (moved < 1e-6) break
    }
    for (let i = 0; i < m; i++) if (t[i] !== 0 && entries[i] === 0) entries[i] = penalty
  }
  return entries
}

/** Inner products of what the channels of one reader contribute to its output, as shares of the output's variance. */
export interface Gram {
  readonly ids: readonly number[]
  readonly data: Matrix
  /** Of each with the whole output. */
  readonly target: Float64Array
}

/** G_ij = Σ over the columns of i and j of C_ab·(WᵀW)_ab */
export async function gramOf(
  products: Products,
  { weight, covariance }: Pick<FitTarget, 'weight' | 'covariance'>,
  columns: ReadonlyMap<number, readonly number[]>,
  energy: number,
): Promise<Gram> {
  const own = (await products.gram(weight)).data
  const ids = [...columns.keys()]
  const place = new Map(ids.flatMap((id, i) => (columns.get(id) ?? []).map((column) => [column, i] as const)))
  const data = matrix(ids.length, ids.length)
  const target = new Float64Array(ids.length)
  const d = covariance.rows
  const share = energy > 0 ? 1 / energy : 0
  for (const [a, i] of place)
    for (let b = 0; b < d; b++) {
      const value = share * covariance.data[a * d + b]! * own[a * d + b]!
      target[i]! += value
      const j = place.get(b)
      if (j !== undefined) data.data[i * ids.length + j]! += value
    }
  return { ids, data, target }
}

/** Number → the penalty at which it comes in; small ones go first. */
export function lassoOrder(grams: readonly Gram[], ids: readonly number[]): Map<number, number> {
  const place = new Map(ids.map((id, i) => [id, i]))
  const sum = matrix(ids.length, ids.length)
  const target = new Float64Array(ids.length)
  for (const gram of grams)
    for (const [i, id] of gram.ids.entries()) {
      const row = place.get(id) ?? 0
      target[row]! += gram.target[i]!
      for (const [j, other] of gram.ids.entries())
        sum.data[row * ids.length + (place.get(other) ?? 0)]! += gram.data.data[i * gram.ids.length + j]!
    }
  const entries = lassoEntries(sum, target)
  return new Map(ids.map((id, i) => [id, entries[i]!]))
}
