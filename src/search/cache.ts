// What an evaluation gave, by the content of what was evaluated.

/**
 * Results by key, here or on another machine. A key must name everything the result depends on: model, layer, method, samples,
 * runtime. Values are what JSON can hold.
 */
export interface EvaluationCache {
  /** What was put under a key; undefined when nothing was. */
  readonly get: (key: string) => Promise<unknown>
  /** Resolves when the value is kept. */
  readonly put: (key: string, value: unknown) => Promise<void>
}

/** A cache that lives as long as the process. */
export function memoryCache(): EvaluationCache {
  const entries = new Map<string, unknown>()
  return { get: async (key) => entries.get(key), put: async (key, value) => void entries.set(key, value) }
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
