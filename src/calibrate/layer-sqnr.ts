// Per-layer SQNR: where along the network the noise comes in. The walk's simplest visitor.
import { SqnrAccumulator, withoutFloat16 } from '../math/index.ts'
import type { WalkVisitor } from './walk.ts'

/** SQNR of a stop in dB, everything before it quantised as well; null is an exact match. */
export interface LayerSqnr {
  readonly name: string
  readonly sqnrDb: number | null
}

/** A visitor that collects the SQNR at each stop. */
export function layerSqnrVisitor(): WalkVisitor & { readonly results: LayerSqnr[] } {
  const results: LayerSqnr[] = []
  return {
    results,
    visit: async ({ name, value, float, changed }) => {
      const sum = new SqnrAccumulator()
      const after = await changed(value)
      for (const [index, before] of (await float(value)).entries()) {
        const other = after[index]
        const { a, b } = withoutFloat16({ a: before, ...(other ? { b: other } : {}) })
        if (a?.data instanceof Float32Array && b?.data instanceof Float32Array) sum.addKnown(a.data, b.data)
      }
      if (sum.count > 0) results.push({ name, sqnrDb: sum.db })
    },
  }
}
