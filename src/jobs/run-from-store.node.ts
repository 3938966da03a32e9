// A job of elsewhere done here: its inputs come out of the store into a folder, in which it then runs like any other.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError, messageOf, OnnxpressError } from '../base/index.ts'
import { writeStatus } from '../pipeline/index.node.ts'
import { layOut } from './inputs.node.ts'
import type { RunningJob, StartFolder, StartJob } from './queue.ts'
import type { ContentStore } from './store.ts'

export interface FromStoreOptions {
  readonly store: ContentStore
  /** Where folders of jobs are made, each under the id of its job. */
  readonly folder: string
  /** Starts what lies in such a folder. */
  readonly start: StartFolder
}

/**
 * Starts jobs whose inputs lie in a store. A job that cannot be laid out fails with the reason in its status; what is returned throws
 * InputError for an id that no folder can be called.
 */
export function runFromStore({ store, folder, start }: FromStoreOptions): StartJob {
  return (job) => {
    if (!/^[\w-]+$/.test(job.id)) throw new InputError(`"${job.id}" is not the id of a job: letters, digits, _ and -`)
    const own = join(folder, job.id)
    let stopped = false
    let running: RunningJob | undefined
    const work = async () => {
      await mkdir(own, { recursive: true })
      await layOut(job, store, own)
      if (stopped) return failed(own, 'cancelled', 'interrupted', 130)
      running = start(own)
      await running.done
    }
    const done = work().catch((error: unknown) =>
      failed(own, 'failed', messageOf(error), error instanceof OnnxpressError ? error.exitCode : 1),
    )
    return {
      done,
      stop: (hard) => {
        stopped = true
        running?.stop(hard)
      },
    }
  }
}

async function failed(folder: string, state: 'failed' | 'cancelled', message: string, exitCode: number): Promise<void> {
  const now = Date.now()
  await writeStatus(folder, { state, createdAt: now, endedAt: now, message, exitCode }).catch(() => {})
}
