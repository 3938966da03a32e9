// What every command that runs a model needs: a runtime, progress, and Ctrl-C that ends cleanly.
import type { Watch } from '../base/index.ts'
import type { Runtime } from '../runtime/index.ts'
import { progressTo } from './progress.ts'

export interface RunFlags {
  readonly json?: boolean
  readonly quiet?: boolean
  readonly threads?: number
}

export interface RecipeFlags extends RunFlags {
  /** Run folder. */
  readonly run?: string
  /** False: no report page. */
  readonly report?: boolean
}

/**
 * Opens the runtime, runs `work`, closes everything. The first Ctrl-C lets the batch in flight end, the second ends the
 * process at once (by the signal itself: leaving in any other way while ONNX Runtime computes aborts with a core dump).
 */
export async function withRuntime<T>(
  flags: RunFlags,
  work: (runtime: Runtime, watch: Watch) => Promise<T>,
): Promise<T> {
  const [{ openRuntime }, { removeTemporaries }] = await Promise.all([
    import('../runtime/index.node.ts'),
    import('../onnx/index.node.ts'),
  ])
  const abort = new AbortController()
  const interrupt = () => {
    if (!abort.signal.aborted) return abort.abort()
    removeTemporaries()
    process.removeListener('SIGINT', interrupt)
    process.kill(process.pid, 'SIGINT')
  }
  process.on('SIGINT', interrupt)
  const { progress, done } = progressTo(
    process.stderr,
    flags.quiet === true || (flags.json === true && !process.stderr.isTTY),
  )
  const runtime = await openRuntime(flags.threads === undefined ? {} : { threads: flags.threads })
  try {
    return await work(runtime, { progress, signal: abort.signal })
  } finally {
    done()
    await runtime.close()
    process.removeListener('SIGINT', interrupt)
  }
}

/** One JSON object on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

export function printLines(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}
