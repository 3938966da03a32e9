// L-BFGS inside a box: projected two-loop recursion with a backtracking line search (Nocedal & Wright, algorithms 7.4 and 3.1).

/** A smooth function: returns its value and writes its gradient. */
export type Objective = (at: Float64Array, gradient: Float64Array) => number

export interface BoxOptions {
  readonly lower: Float64Array
  readonly upper: Float64Array
  /** Default 200. */
  readonly iterations?: number
  /** Pairs that approximate the curvature; default 10. */
  readonly memory?: number
  /** Stops when the projected gradient's largest entry is below this; default 1e-6. */
  readonly tolerance?: number
  /** Stops when ten iterations together gain less than this; default 0: only when nothing is gained any more. */
  readonly leastGain?: number
  /** Called between iterations; lets the event loop breathe, may throw to stop. */
  readonly between?: (iteration: number, value: number) => Promise<void>
}

export interface BoxMinimum {
  readonly at: Float64Array
  readonly value: number
  readonly iterations: number
}

/** Sufficient decrease of the line search. */
const ARMIJO = 1e-4

/**
 * Minimises a function from `start`, every entry kept inside [lower, upper]. Entries that lie on a bound and are pushed
 * outward are held in that iteration. Deterministic.
 */
export async function minimizeInBox(
  objective: Objective,
  start: Float64Array,
  options: BoxOptions,
): Promise<BoxMinimum> {
  const { lower, upper, iterations = 200, memory = 10, tolerance = 1e-6, leastGain = 0 } = options
  const n = start.length
  let at: Float64Array = start.map((x, i) => clamp(x, lower[i] ?? -Infinity, upper[i] ?? Infinity))
  let gradient: Float64Array = new Float64Array(n)
  let value = objective(at, gradient)
  const steps: Float64Array[] = []
  const changes: Float64Array[] = []
  const recent: number[] = []
  let iteration = 0
  for (; iteration < iterations; iteration++) {
    await options.between?.(iteration, value)
    const active = activeBounds(at, gradient, lower, upper)
    if (largestFree(gradient, active) < tolerance) break
    let direction = descent(gradient, active, steps, changes)
    if (!(dot(direction, gradient) < 0)) {
      steps.length = 0
      changes.length = 0
      direction = gradient.map((g, i) => (active[i] ? 0 : -g))
    }
    const first = steps.length === 0 ? Math.min(1, 1 / Math.max(1e-12, norm(direction))) : 1
    const next = search(objective, { at, value, gradient }, { direction, first }, options)
    if (!next) {
      if (steps.length === 0) break
      // The curvature pairs mislead: once more along the gradient.
      steps.length = 0
      changes.length = 0
      continue
    }
    const step = next.at.map((x, i) => x - (at[i] ?? 0))
    const change = next.gradient.map((g, i) => g - (gradient[i] ?? 0))
    if (dot(step, change) > 1e-12 * norm(step) * norm(change)) {
      steps.push(step)
      changes.push(change)
      if (steps.length > memory) {
        steps.shift()
        changes.shift()
      }
    }
    const gained = value - next.value
    recent.push(next.value)
    const tenAgo = recent.length > 10 ? recent.shift() : undefined
    ;({ at, gradient, value } = next)
    if (gained <= 1e-10 * Math.max(1, Math.abs(value))) break
    if (tenAgo !== undefined && tenAgo - value < leastGain) break
  }
  return { at, value, iterations: iteration }
}

/** Entries on a bound whose descent leads outside. */
function activeBounds(at: Float64Array, gradient: Float64Array, lower: Float64Array, upper: Float64Array): Uint8Array {
  return Uint8Array.from(at, (x, i) => {
    const g = gradient[i] ?? 0
    return (x <= (lower[i] ?? -Infinity) && g > 0) || (x >= (upper[i] ?? Infinity) && g < 0) ? 1 : 0
  })
}

/** −H·g on the free entries, H from the curvature pairs. */
function descent(
  gradient: Float64Array,
  active: Uint8Array,
  steps: readonly Float64Array[],
  changes: readonly Float64Array[],
): Float64Array {
  const q = gradient.map((g, i) => (active[i] ? 0 : g))
  const alphas = new Float64Array(steps.length)
  for (let k = steps.length - 1; k >= 0; k--) {
    const [s, y] = [steps[k] as Float64Array, changes[k] as Float64Array]
    const alpha = dot(s, q) / dot(s, y)
    alphas[k] = alpha
    addScaled(q, y, -alpha)
  }
  const last = steps.length - 1
  if (last >= 0) {
    const [s, y] = [steps[last] as Float64Array, changes[last] as Float64Array]
    const scale = dot(s, y) / dot(y, y)
    for (let i = 0; i < q.length; i++) q[i] = (q[i] ?? 0) * scale
  }
  for (let k = 0; k < steps.length; k++) {
    const [s, y] = [steps[k] as Float64Array, changes[k] as Float64Array]
    addScaled(q, s, (alphas[k] ?? 0) - dot(y, q) / dot(s, y))
  }
  return q.map((x, i) => (active[i] ? 0 : -x))
}

/** Where the search stands, and what the function and its gradient are there. */
interface Point {
  readonly at: Float64Array
  readonly value: number
  readonly gradient: Float64Array
}

/** A step that gains enough, from length `first` on; undefined when none does. */
function search(
  objective: Objective,
  { at, value, gradient }: Point,
  { direction, first }: { readonly direction: Float64Array; readonly first: number },
  { lower, upper }: BoxOptions,
): Point | undefined {
  const trialGradient = new Float64Array(at.length)
  for (let length = first, tries = 0; tries < 30; tries++, length /= 2) {
    const trial = at.map((x, i) => clamp(x + length * (direction[i] ?? 0), lower[i] ?? -Infinity, upper[i] ?? Infinity))
    let slope = 0
    for (let i = 0; i < at.length; i++) slope += (gradient[i] ?? 0) * ((trial[i] ?? 0) - (at[i] ?? 0))
    const trialValue = objective(trial, trialGradient)
    if (slope < 0 && trialValue <= value + ARMIJO * slope)
      return { at: trial, gradient: trialGradient, value: trialValue }
  }
  return undefined
}

function largestFree(gradient: Float64Array, active: Uint8Array): number {
  let largest = 0
  for (let i = 0; i < gradient.length; i++) if (!active[i]) largest = Math.max(largest, Math.abs(gradient[i] ?? 0))
  return largest
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high)
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0)
  return sum
}

function norm(a: Float64Array): number {
  return Math.sqrt(dot(a, a))
}

function addScaled(a: Float64Array, b: Float64Array, factor: number): void {
  for (let i = 0; i < a.length; i++) a[i] = (a[i] ?? 0) + factor * (b[i] ?? 0)
}
