// A job as a process of the command line: `onnxpress run recipe.json --run FOLDER`. It writes its own status and events.
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { readStatus, writeStatus } from '../pipeline/index.node.ts'
import type { StartFolder } from './queue.ts'

export interface SpawnOptions {
  /** The script of the command line. */
  readonly script: string
}

/** Starts runs as processes; what they print goes to result.json and log.txt in their folder. */
export function spawnRuns({ script }: SpawnOptions): StartFolder {
  return (folder) => {
    const [out, log] = [openSync(join(folder, 'result.json'), 'w'), openSync(join(folder, 'log.txt'), 'w')]
    const words = [script, 'run', join(folder, 'recipe.json'), '--run', folder, '--json']
    // Its own process group: Ctrl-C in the terminal of the studio is the studio's to pass on.
    const child = spawn(process.execPath, words, { cwd: folder, stdio: ['ignore', out, log], detached: true })
    closeSync(out)
    closeSync(log)
    const done = new Promise<void>((resolve) => {
      child.once('error', () => resolve())
      child.once('exit', () => resolve())
    }).then(() => settle(folder, child.exitCode, child.signalCode))
    return { done, stop: (hard) => void child.kill(hard ? 'SIGKILL' : 'SIGINT') }
  }
}

/** A process that ended without a word – killed, crashed, or never started – gets its last word here. */
async function settle(folder: string, exitCode: number | null, signal: NodeJS.Signals | null): Promise<void> {
  const status = await readStatus(folder)
  if (status !== undefined && status.state !== 'running' && status.state !== 'queued') return
  const killed = signal === 'SIGKILL' || signal === 'SIGINT' || exitCode === 130
  await writeStatus(folder, {
    ...(status ?? { createdAt: Date.now() }),
    state: killed ? 'cancelled' : 'failed',
    endedAt: Date.now(),
    exitCode: exitCode ?? (killed ? 130 : 1),
    message: killed
      ? 'interrupted'
      : `the process of the run ended with ${signal ?? `exit code ${exitCode}`}; see log.txt in its folder`,
  }).catch(() => {})
}
