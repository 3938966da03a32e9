// Which of the written files to take for what, a line each. A model of several graphs is chosen as a whole: their sizes and times add up.

import type { VariantDtype } from '../../recipe/index.ts'
import { formatBytes, formatMs } from '../../report/index.ts'
import type { Variant, VariantsRun } from './run.ts'

/** A form in which every graph was written. */
interface Whole {
  readonly dtype: VariantDtype
  readonly sizeBytes: number
  /** Of the worst graph; an exact one is infinite. */
  readonly sqnrDb: number
  readonly latencyMs: Readonly<Record<string, number>>
  /** Runtimes that every graph is for. */
  readonly runtimes: readonly string[]
}

const wordOf = ({ dtype, sizeBytes }: Whole) => `${dtype} (${formatBytes(sizeBytes)})`

/** Lines for the end of the table; none where nothing was written. */
export function variantAdvice({ variants, float, runtimes }: VariantsRun): string[] {
  const wholes = wholesOf(variants)
  const least = (of: (whole: Whole) => number) => [...wholes].sort((a, b) => of(a) - of(b))[0]
  const smallest = least(({ sizeBytes }) => sizeBytes)
  const closest = least(({ sqnrDb }) => -sqnrDb)
  if (!smallest || !closest) return []
  const exact = Number.isFinite(closest.sqnrDb) ? `${closest.sqnrDb.toFixed(1)} dB` : 'exact'
  const half = wholes.filter(({ dtype }) => dtype === 'q4f16' || dtype === 'fp16')
  return [
    `smallest: ${wordOf(smallest)}`,
    `most accurate: ${closest.dtype} (${exact})`,
    ...runtimes.flatMap((runtime) => {
      const before = float.reduce((sum, { latencyMs }) => sum + (latencyMs[runtime] ?? Number.NaN), 0)
      const fit = wholes.filter((whole) => whole.runtimes.includes(runtime))
      const [fastest] = fit.toSorted((a, b) => (a.latencyMs[runtime] ?? 0) - (b.latencyMs[runtime] ?? 0))
      const time = fastest?.latencyMs[runtime]
      if (!fastest || time === undefined) return []
      if (time >= before) return [`fastest in ${runtime} here: the float model (${formatMs(before)})`]
      return [`fastest in ${runtime} here: ${fastest.dtype} (${formatMs(time)}, float ${formatMs(before)})`]
    }),
    ...(half.length > 0
      ? [`on WebGPU, which computes in float16 and was not measured here: ${half.map(wordOf).join(', ')}`]
      : []),
  ]
}

function wholesOf(variants: readonly Variant[]): Whole[] {
  return [...new Set(variants.map(({ dtype }) => dtype))].flatMap((dtype) => {
    const parts = variants.filter((variant) => variant.dtype === dtype)
    if (parts.some(({ written }) => !written)) return []
    const names = Object.keys(parts[0]?.latencyMs ?? {})
    const sum = (of: (variant: Variant) => number) => parts.reduce((all, variant) => all + of(variant), 0)
    return [
      {
        dtype,
        sizeBytes: sum(({ sizeBytes = 0 }) => sizeBytes),
        sqnrDb: Math.min(...parts.map(({ sqnrDb }) => sqnrDb ?? Number.POSITIVE_INFINITY)),
        latencyMs: Object.fromEntries(
          names.map((name) => [name, sum(({ latencyMs }) => latencyMs[name] ?? Number.NaN)]),
        ),
        runtimes: names.filter((name) => parts.every(({ loads }) => loads[name] === true)),
      },
    ]
  })
}
