// The pictures of one layer alone, for whoever shows a layer outside of a report.
import type { LayerRow } from '../report.ts'
import { weightPictures } from './weight-panels.ts'
import { weightRow } from './weight-row.ts'

/** HTML text with the pictures of a layer's weight, before and after where both are known; undefined without channels. */
export function layerPictures(layer: LayerRow): string | undefined {
  const row = weightRow(layer, 0)[0]
  return row === undefined ? undefined : weightPictures(row).text
}
