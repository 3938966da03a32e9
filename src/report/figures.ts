// What every rendering asks of a report: the original, the result, the worst layers, why layers stayed float.
import type { ActivationRow, LayerRow, Report, VariantRow, Verdict } from './report.ts'

/** The float original: the first variant. */
export function originalOf(report: Report): VariantRow | undefined {
  return report.variants[0]
}

/** The variant that was written, else the last one; undefined when only the original was measured. */
export function resultOf(report: Report): VariantRow | undefined {
  return report.variants.slice(1).find((row) => row.kept === true) ?? report.variants.slice(1).at(-1)
}

/** The headline without a "DEAD:" of its own: every rendering says that in its own loud way. */
export function bareHeadline({ headline }: Verdict): string {
  return headline.replace(/^dead:\s*/i, '')
}

/** SQNR as a number to sort by: NaN and infinities are worse than any figure, an exact or unmeasured layer better. */
export function sqnrRank(db: number | null | undefined): number {
  if (typeof db !== 'number') return Number.MAX_VALUE
  return Number.isFinite(db) ? db : -Number.MAX_VALUE
}

/** Layers with a measured, inexact SQNR, worst first. */
export function worstLayers(layers: readonly LayerRow[], count: number): LayerRow[] {
  return layers
    .filter((layer) => typeof layer.sqnrDb === 'number')
    .sort((a, b) => sqnrRank(a.sqnrDb) - sqnrRank(b.sqnrDb))
    .slice(0, count)
}

/** Noise as a share of the signal's power in dB; undefined where there is none. */
export function noiseDb(share: number): number | undefined {
  return share > 0 ? -10 * Math.log10(share) : undefined
}

export interface Placement {
  /** Layers whose kernel is known. */
  readonly known: number
  readonly integer: number
  /** Share of all multiplications that integer layers do; absent when those of a layer, or of something else, are unknown. */
  readonly macShare?: number
}

/** How many layers run in integers; undefined when no layer's kernel was looked at. */
export function placementOf({
  layers,
  otherProducts = [],
}: Pick<Report, 'layers' | 'otherProducts'>): Placement | undefined {
  const known = layers.filter((layer) => layer.integer !== undefined)
  if (known.length === 0) return undefined
  const integer = known.filter((layer) => layer.integer === true)
  const total = sumMacs([...layers, ...otherProducts])
  const done = sumMacs(integer)
  const counts = { known: known.length, integer: integer.length }
  return total === undefined || done === undefined || total === 0 ? counts : { ...counts, macShare: done / total }
}

export interface FloatGroup {
  readonly reason: string
  readonly layers: readonly LayerRow[]
}

/** Float layers grouped by their reason, the most frequent reason first. */
export function floatGroups(layers: readonly LayerRow[]): FloatGroup[] {
  const groups = new Map<string, LayerRow[]>()
  for (const layer of layers) {
    if (layer.integer !== false) continue
    const reason = layer.reason ?? 'no reason recorded'
    groups.set(reason, [...(groups.get(reason) ?? []), layer])
  }
  return [...groups]
    .map(([reason, rows]) => ({ reason, layers: rows }))
    .sort((a, b) => b.layers.length - a.layers.length)
}

/** Share by which the observed values leave the chosen range at each side; negative: room that is never used. */
export interface RangeFit {
  readonly below: number
  readonly above: number
}

/** Compares chosen and observed range of an activation, in units of the chosen width; undefined when one is missing. */
export function rangeFit(row: ActivationRow): RangeFit | undefined {
  const { low, high, observedLow, observedHigh } = row
  if (low === undefined || high === undefined || observedLow === undefined || observedHigh === undefined) {
    return undefined
  }
  const width = high - low
  return width > 0 ? { below: (low - observedLow) / width, above: (observedHigh - high) / width } : undefined
}

/** What multiplies beside the layers, in words: "12 MatMul, 1 LSTM"; undefined when nothing does. */
export function otherWords({ otherProducts = [] }: Pick<Report, 'otherProducts'>): string | undefined {
  return otherProducts.length === 0 ? undefined : otherProducts.map(({ op, count }) => `${count} ${op}`).join(', ')
}

function sumMacs(layers: readonly Pick<LayerRow, 'macs'>[]): number | undefined {
  let total = 0
  for (const layer of layers) {
    if (layer.macs === undefined) return undefined
    total += layer.macs
  }
  return total
}
