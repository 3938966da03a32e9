// What names the content that results depend on.
import type { Batch } from '../../data/index.ts'

/** The inputs of batches as parts of a digest. */
export function* contentOf(batches: readonly Batch[]): Generator<string | Uint8Array, void, void> {
  for (const batch of batches)
    for (const [name, { data, dims }] of Object.entries(batch.inputs)) {
      yield `${name}[${dims}]`
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    }
}
