// What a box is coloured by: one figure of its layers, from pale to strong, always with the figure in words beside it.
import { formatBytes, formatCount, formatDb, formatFactor, formatNumber } from '../../../src/report/index.ts'

export type ShadeName = 'none' | 'MACs' | 'bytes' | 'range spread' | 'SQNR' | 'bits' | 'latency'

/** The figures of a layer that boxes can be coloured by. */
export interface LayerFigures {
  readonly macs?: number
  readonly sizeBytes: number
  readonly rangeSpread?: number
  readonly sqnrDb?: number | null
  readonly bits?: number
  readonly latencyMs?: number
}

export interface Shade {
  /** 0 pale … 1 strong; undefined: no figure. */
  readonly strength: number | undefined
  readonly text: string
}

interface Kind {
  readonly of: (layer: LayerFigures) => number | null | undefined
  /** Several layers in one box. */
  readonly join: (values: readonly number[]) => number
  readonly text: (value: number) => string
  readonly scale: 'log' | 'linear'
  /** Low figures are the strong ones. */
  readonly lowIsStrong?: boolean
}

const add = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

const kinds: Readonly<Record<Exclude<ShadeName, 'none'>, Kind>> = {
  MACs: { of: ({ macs }) => macs, join: add, text: formatCount, scale: 'log' },
  bytes: { of: ({ sizeBytes }) => sizeBytes, join: add, text: formatBytes, scale: 'log' },
  'range spread': {
    of: ({ rangeSpread }) => rangeSpread,
    join: (values) => Math.max(...values),
    text: formatFactor,
    scale: 'log',
  },
  SQNR: {
    of: ({ sqnrDb }) => sqnrDb,
    join: (values) => Math.min(...values),
    text: formatDb,
    scale: 'linear',
    lowIsStrong: true,
  },
  bits: {
    of: ({ bits }) => bits,
    join: (values) => Math.max(...values),
    text: (bits) => `${bits} bit`,
    scale: 'linear',
  },
  latency: { of: ({ latencyMs }) => latencyMs, join: add, text: (ms) => `${formatNumber(ms, 3)} ms`, scale: 'linear' },
}

/** Which figures are known of these layers. */
export function shadesOf(layers: readonly LayerFigures[]): ShadeName[] {
  const known = Object.entries(kinds).filter(([, kind]) => layers.some((layer) => typeof kind.of(layer) === 'number'))
  return ['none', ...known.map(([name]) => name as ShadeName)]
}

/** The shade of every box; boxes without the figure stay plain. */
export function shadeBoxes(
  name: ShadeName,
  boxes: readonly (readonly number[])[],
  layers: readonly LayerFigures[],
): Shade[] {
  if (name === 'none') return boxes.map(() => ({ strength: undefined, text: '' }))
  const kind = kinds[name]
  const values = boxes.map((members) => {
    const known = members.flatMap((index) => {
      const layer = layers[index]
      const value = layer && kind.of(layer)
      return typeof value === 'number' && Number.isFinite(value) ? [value] : []
    })
    return known.length === 0 ? undefined : kind.join(known)
  })
  const place = (value: number): number => (kind.scale === 'log' ? Math.log(Math.max(value, 1e-9)) : value)
  const known = values.filter((value) => value !== undefined).map(place)
  const [low, high] = [Math.min(...known), Math.max(...known)]
  return values.map((value) => {
    if (value === undefined) return { strength: undefined, text: '' }
    const share = high > low ? (place(value) - low) / (high - low) : 0.5
    return { strength: kind.lowIsStrong === true ? 1 - share : share, text: kind.text(value) }
  })
}
