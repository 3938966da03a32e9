// What a run says of embeddings in few bits.
import type { Tensor } from '../../onnx/index.ts'

/**
 * How many tables there are, and what they weigh now; nothing when there is none.
 * @param block where they have 4 bits: weights that share a scale
 * @param embeddings tables by the names of the Gather nodes that read them
 */
export function embeddingNotes(embeddings: ReadonlyMap<string, Tensor>, block?: number): string[] {
  const tables = new Set(embeddings.values())
  const [first] = embeddings.keys()
  if (first === undefined) return []
  const rest = tables.size > 1 ? ` and ${tables.size - 1} more` : ''
  const bytes = [...tables].reduce((sum, { size }) => sum + size, 0)
  const megabytes = (block === undefined ? bytes : bytes * (0.5 + 2.5 / block)) / 1e6
  const how = block === undefined ? '8 bits with a scale for each row' : `4 bits in blocks of ${block}`
  return [
    `${tables.size === 1 ? 'an embedding is' : `${tables.size} embeddings are`} stored in ${how} (${first}${rest}: ${megabytes.toFixed(1)} MB); --embeddings ${block === undefined ? 'float keeps float' : '8 is more exact'}`,
  ]
}
