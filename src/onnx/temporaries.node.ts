// Files and folders that must not outlive the process, however it ends.
import { rmSync } from 'node:fs'

const open = new Set<string>()

/** Runs `work` with a temporary path, which is gone afterwards; `removeTemporaries` removes it earlier. */
export async function withTemporary<T>(path: string, work: (path: string) => Promise<T>): Promise<T> {
  open.add(path)
  try {
    return await work(path)
  } finally {
    rmSync(path, { recursive: true, force: true })
    open.delete(path)
  }
}

/** Has a path removed with the process, or by the function that it gives. */
export function keepTemporary(path: string): () => void {
  open.add(path)
  return () => {
    rmSync(path, { recursive: true, force: true })
    open.delete(path)
  }
}

/** Removes what is still there, at once: for a process that is about to be ended. */
export function removeTemporaries(): void {
  for (const path of open) rmSync(path, { recursive: true, force: true })
}
