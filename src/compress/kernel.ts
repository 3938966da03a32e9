// A layer's weight as plain numbers, group by group, in the order in which patches are gathered.
import { patchSize } from '../calibrate/index.ts'
import type { Matrix } from '../math/index.ts'
import type { CompressibleLayer } from './layers.ts'

/** The weight of each group as [outputs of the group, inputs of the group × kernel positions]. */
export function kernelsOf({ layer, geometry }: CompressibleLayer): Matrix[] {
  const { view } = layer
  if (!view) return []
  const values = layer.weight.floats()
  const rows = geometry.outputsPerGroup
  const columns = patchSize(geometry)
  return Array.from({ length: geometry.groups }, (_, group) => {
    const data = new Float64Array(rows * columns)
    for (let o = 0, to = 0; o < rows; o++) {
      const base = view.offset(group * rows + o)
      for (let i = 0; i < view.inputsPerGroup; i++)
        for (let u = 0; u < view.positions; u++, to++)
          data[to] = values[base + i * view.inputStride + u * view.positionStride]!
    }
    return { rows, columns, data }
  })
}
