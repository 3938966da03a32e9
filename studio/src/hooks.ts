// Loading something whenever what it depends on changes, and forgetting answers that come too late.
import { useEffect, useState } from 'preact/hooks'

export interface Loaded<T> {
  readonly value?: T
  readonly problem?: string
  readonly loading: boolean
}

/** Runs `load` for each new `key`; undefined loads nothing. `delayMs` waits for a pause in typing. */
export function useLoaded<T>(
  key: string | undefined,
  load: (signal: AbortSignal) => Promise<T>,
  delayMs = 0,
): Loaded<T> {
  const [loaded, set] = useState<Loaded<T>>({ loading: key !== undefined })
  useEffect(() => {
    if (key === undefined) return set({ loading: false })
    const controller = new AbortController()
    set((before) => ({ ...before, loading: true }))
    const timer = setTimeout(() => {
      load(controller.signal).then(
        (value) => !controller.signal.aborted && set({ value, loading: false }),
        (error: unknown) => !controller.signal.aborted && set({ problem: messageOf(error), loading: false }),
      )
    }, delayMs)
    return () => {
      controller.abort()
      clearTimeout(timer)
    }
  }, [key])
  return loaded
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
