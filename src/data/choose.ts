// Which samples of a sorted list to use: evenly spaced, so that every class folder is represented.

/** `count` evenly spaced indices of 0..total-1, `floor((i + 0.5) · total / count)`; all of them when `count >= total`. */
export function chooseSamples(total: number, count: number): number[] {
  if (count >= total) return Array.from({ length: total }, (_, index) => index)
  return Array.from({ length: Math.max(0, count) }, (_, index) => Math.floor(((index + 0.5) * total) / count))
}

export interface SampleSplit {
  readonly calibration: readonly number[]
  readonly rest: readonly number[]
}

/** `count` evenly spaced samples to calibrate on, and all others, in order, to score. */
export function splitSamples(total: number, count: number): SampleSplit {
  const calibration = chooseSamples(total, count)
  const taken = new Set(calibration)
  const rest: number[] = []
  for (let index = 0; index < total; index++) if (!taken.has(index)) rest.push(index)
  return { calibration, rest }
}
