// What a run says of embeddings in 8 bits.
import type { Tensor } from '../../onnx/index.ts'

/**
 * How many tables there are, and what they weigh now; nothing when there is none.
 * @param embeddings tables by the names of the Gather nodes that read them
 */
export function embeddingNotes(embeddings: ReadonlyMap<string, Tensor>): string[] {
  const tables = new Set(embeddings.values())
  const [first] = embeddings.keys()
  if (first === undefined) return []
  const rest = tables.size > 1 ? ` and ${tables.size - 1} more` : ''
  const megabytes = [...tables].reduce((sum, { size }) => sum + size, 0) / 1e6
  return [
    `${tables.size === 1 ? 'an embedding is' : `${tables.size} embeddings are`} stored in 8 bits with a scale for each row (${first}${rest}: ${megabytes.toFixed(1)} MB); --embeddings float keeps float`,
  ]
}
