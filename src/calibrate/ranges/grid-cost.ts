// What a grid costs a distribution: expected squared error of rounding and clipping, from prefix sums over the bins.
import type { Bins } from './bins.ts'

/** A grid of values code·scale, code from `lowest` to `highest`; zero is a code. */
export interface Grid {
  readonly scale: number
  readonly lowest: number
  readonly highest: number
}

/** The sum over all values of (x − x̂)², the squares of clipped values times `clipWeight`. */
export type GridCost = (grid: Grid, clipWeight: number) => number

/** Prefix sums over points, in units of a bin: mass, mass·x, mass·x². */
interface Sums {
  /** Points a bin. */
  readonly density: number
  readonly mass: Float64Array
  readonly first: Float64Array
  readonly second: Float64Array
}

/**
 * The cost function of a distribution. A bin counts as its middle where the step is at least 4 bins wide, as 4 points
 * for narrower steps, and as evenly filled, error step²/12, from one bin down: middles alone mean nothing there.
 * A call takes time proportional to the number of codes, not of bins.
 */
export function gridCost(bins: Bins): GridCost {
  const middles = sumsOf(bins, 1)
  let quarters: Sums | undefined
  return ({ scale, lowest, highest }, clipWeight) => {
    const step = scale / bins.width
    const fine = step > 1 && step < 4
    if (fine) quarters ??= sumsOf(bins, 4)
    const sums = fine && quarters ? quarters : middles
    const points = sums.mass.length - 1
    /** Index of the first point at or above x. */
    const pointAt = (x: number) => Math.min(Math.max(Math.ceil((x - bins.first) * sums.density - 0.5), 0), points)
    const from = pointAt((lowest - 0.5) * step)
    const to = pointAt((highest + 0.5) * step)
    const clipped = squaresTo(sums, lowest * step, 0, from) + squaresTo(sums, highest * step, to, points)
    const inside = step <= 1 ? ((sums.mass[to]! - sums.mass[from]!) * step * step) / 12 : rounding()
    return (clipWeight * clipped + inside) * bins.width * bins.width

    function rounding(): number {
      // Σ x² telescopes; what is left is Σ (c²·mass − 2c·Σx) over the codes c that some point rounds to.
      let sum = sums.second[to]! - sums.second[from]!
      const begin = Math.max(lowest, Math.round(bins.first / step) - 1)
      const end = Math.min(highest, Math.round((bins.first + bins.counts.length) / step) + 1)
      let left = from
      for (let code = begin; code <= end && left < to; code++) {
        const right = code === end ? to : Math.min(pointAt((code + 0.5) * step), to)
        const value = code * step
        sum += value * (value * (sums.mass[right]! - sums.mass[left]!) - 2 * (sums.first[right]! - sums.first[left]!))
        left = right
      }
      return Math.max(0, sum)
    }
  }
}

/** Σ mass·(x − value)² of the points from `from` to `to`. */
function squaresTo(sums: Sums, value: number, from: number, to: number): number {
  if (from === to) return 0
  const mass = sums.mass[to]! - sums.mass[from]!
  const first = sums.first[to]! - sums.first[from]!
  const second = sums.second[to]! - sums.second[from]!
  return Math.max(0, second - 2 * value * first + value * value * mass)
}

function sumsOf({ first: left, counts }: Bins, density: number): Sums {
  const points = counts.length * density
  const mass = new Float64Array(points + 1)
  const first = new Float64Array(points + 1)
  const second = new Float64Array(points + 1)
  for (let i = 0; i < points; i++) {
    const weight = counts[Math.floor(i / density)]! / density
    const x = left + (i + 0.5) / density
    mass[i + 1] = mass[i]! + weight
    first[i + 1] = first[i]! + weight * x
    second[i + 1] = second[i]! + weight * x * x
  }
  return { density, mass, first, second }
}
