// Scales: from a value to a place on the paper, with ticks at round values.

export interface Scale {
  readonly domain: readonly [number, number]
  readonly range: readonly [number, number]
  readonly ticks: readonly number[]
  /** The place of a value, in pixels. */
  at(value: number): number
}

export interface ScaleOptions {
  readonly domain: readonly [number, number]
  readonly range: readonly [number, number]
  /** About how many ticks; 5 by default. */
  readonly ticks?: number
  /** Widens the domain to whole ticks; on by default. */
  readonly nice?: boolean
}

/** A linear scale. An empty or inverted domain is widened, so that `at` is always finite. */
export function linearScale(options: ScaleOptions): Scale {
  const [low, high] = orderly(options.domain)
  const step = tickStep(high - low, options.ticks ?? 5)
  const nice = options.nice ?? true
  const domain = nice ? ([floorTo(low, step), ceilTo(high, step)] as const) : ([low, high] as const)
  return scaleOf(domain, options.range, ticksBetween(domain, step), (value) => value)
}

/** A logarithmic scale for counts: 0, 1, 10, 100 … with log10(1 + n) between them. */
export function countScale(options: Pick<ScaleOptions, 'domain' | 'range'>): Scale {
  const high = Math.max(1, options.domain[1])
  const ticks = [0]
  for (let tick = 1; tick <= high; tick *= high > 1e5 ? 100 : 10) ticks.push(tick)
  return scaleOf([0, high], options.range, ticks, (value) => Math.log10(1 + Math.max(0, value)))
}

/** A logarithmic scale for positive values, with ticks at 1, 2, 5, 10 … or at powers of ten when those are many. */
export function logScale(options: Pick<ScaleOptions, 'domain' | 'range'>): Scale {
  const low = options.domain[0] > 0 && Number.isFinite(options.domain[0]) ? options.domain[0] : 1
  const high = options.domain[1] > low * 1.01 && Number.isFinite(options.domain[1]) ? options.domain[1] : low * 10
  const [from, to] = [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)]
  const steps = to - from > 3 ? [1] : [1, 2, 5]
  const every = Math.max(1, Math.ceil((to - from) / 5))
  const ticks: number[] = []
  for (let power = from; power <= to; power += every) {
    for (const step of steps) ticks.push(Number((step * 10 ** power).toPrecision(12)))
  }
  // The domain ends at the ticks around it, so that no mark lies beyond the last one.
  const bottom = ticks.findLast((tick) => tick <= low * 1.000001) ?? low
  const top = ticks.find((tick) => tick >= high * 0.999999) ?? high
  const shown = ticks.filter((tick) => tick >= bottom && tick <= top)
  return scaleOf([bottom, top], options.range, shown, (value) => Math.log10(Math.max(value, 1e-300)))
}

/** A coordinate in as few characters as a tenth of a pixel needs. */
export function pixel(value: number): string {
  return String(Math.round(value * 10) / 10 || 0)
}

function scaleOf(
  domain: readonly [number, number],
  range: readonly [number, number],
  ticks: readonly number[],
  transform: (value: number) => number,
): Scale {
  const [from, to] = [transform(domain[0]), transform(domain[1])]
  const slope = (range[1] - range[0]) / (to - from)
  return { domain, range, ticks, at: (value) => range[0] + (transform(value) - from) * slope }
}

function orderly(domain: readonly [number, number]): readonly [number, number] {
  const low = Number.isFinite(domain[0]) ? domain[0] : 0
  const high = Number.isFinite(domain[1]) ? domain[1] : low + 1
  const size = Math.max(Math.abs(low), Math.abs(high))
  if (size < 1e-300) return [0, 1]
  // Ends that differ by rounding only count as one value.
  if (high - low > size * 1e-12) return [low, high]
  return [Math.min(low, high) - size / 2, Math.max(low, high) + size / 2]
}

function tickStep(width: number, count: number): number {
  const rough = width / Math.max(1, count)
  const power = 10 ** Math.floor(Math.log10(rough))
  const lead = rough / power
  return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10)
}

function ticksBetween([low, high]: readonly [number, number], step: number): number[] {
  const ticks: number[] = []
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  // Twelve digits take the binary dust off 0.1 + 0.2.
  for (let index = first; index <= last; index++) ticks.push(Number((index * step).toPrecision(12)))
  return ticks
}

function floorTo(value: number, step: number): number {
  return Math.floor(value / step + 1e-9) * step
}

function ceilTo(value: number, step: number): number {
  return Math.ceil(value / step - 1e-9) * step
}
