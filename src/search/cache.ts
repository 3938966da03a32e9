// What an evaluation gave, by the content of what was evaluated.

/** Results by key. A key must name everything the result depends on: model, layer, method, samples, runtime. */
export interface EvaluationCache {
  readonly get: (key: string) => unknown
  readonly put: (key: string, value: unknown) => void
}

/** A cache that lives as long as the process. */
export function memoryCache(): EvaluationCache {
  const entries = new Map<string, unknown>()
  return { get: (key) => entries.get(key), put: (key, value) => void entries.set(key, value) }
}

/** Reads the lines of a cache file. The last one may have been cut off by a kill; whatever is not an entry is skipped. */
export function parseCacheLines(text: string): Map<string, unknown> {
  const entries = new Map<string, unknown>()
  for (const line of text.split('\n')) {
    try {
      const entry: unknown = JSON.parse(line)
      if (Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string') entries.set(entry[0], entry[1])
    } catch {
      // A torn line: what it held is computed again.
    }
  }
  return entries
}
