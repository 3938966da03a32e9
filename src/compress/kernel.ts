// A layer's weight as plain numbers, group by group, in the order in which patches are gathered.
import { kernelOf } from '../calibrate/index.ts'
import type { Matrix } from '../math/index.ts'
import type { CompressibleLayer } from './layers.ts'

/** The weight of each group as [outputs of the group, inputs of the group × kernel positions]. */
export function kernelsOf(layer: CompressibleLayer): Matrix[] {
  const { geometry } = layer
  return Array.from({ length: geometry.groups }, (_, group) => kernelOf(layer, geometry, group))
}
