// top-k: is the right class among the k highest values of the first output?
import { InputError } from '../base/index.ts'
import { defineMetric, type Metric, type ScoredSample } from './metric.ts'

/** Share of samples (positions, where a label is a list) whose label is among the k highest; of equal values the first wins. */
export function topK(k: number, name = `top${k}`): Metric {
  return defineMetric({ name, needsLabels: true, score: (sample) => hits(sample, k) })
}

function hits({ outputs, label }: ScoredSample, k: number): readonly number[] | undefined {
  const first = Object.values(outputs)[0]
  const labels = label === undefined ? [] : [label].flat()
  if (!(first?.data instanceof Float32Array)) return undefined
  const { data } = first
  const width = first.dims.at(-1) ?? 1
  // One label for several rows belongs to none of them.
  if (labels.length * width > data.length || (labels.length === 1 && data.length !== width)) return undefined
  return labels.flatMap((each, row) => {
    if (each < 0) return []
    if (each >= width)
      throw new InputError(
        `a label is ${each}, but the model has ${width} classes (0 to ${width - 1}); are these its labels?`,
      )
    return rankOf(data, row * width, width, each) < k ? [1] : [0]
  })
}

/** How many values come before that of `label`: higher ones, and equal ones in front of it. */
function rankOf(data: Float32Array, from: number, width: number, label: number): number {
  const own = data[from + label] ?? Number.NaN
  if (Number.isNaN(own)) return width
  let rank = 0
  for (let i = 0; i < width; i++) {
    const value = data[from + i] ?? Number.NaN
    if (value > own || (value === own && i < label)) rank++
  }
  return rank
}
