// The queue without a broker: one run at a time, because two would measure each other's latency.
import type { Job, Queue, RunningJob, StartJob } from './queue.ts'

export interface LocalQueueOptions {
  /** Milliseconds that a cancelled job gets before it is stopped hard. */
  readonly patienceMs?: number
  /** Told whenever a job starts, ends, or leaves the queue. */
  readonly onChange?: () => void
}

/** Runs jobs in order, one at a time. */
export function localQueue(start: StartJob, options: LocalQueueOptions = {}): Queue {
  const { patienceMs = 15_000, onChange = () => {} } = options
  const waiting: Job[] = []
  let current: { readonly job: Job; readonly work: RunningJob } | undefined
  let closed = false

  const next = (): void => {
    const job = closed || current !== undefined ? undefined : waiting.shift()
    if (job === undefined) return
    const work = start(job)
    current = { job, work }
    work.done.then(() => {
      current = undefined
      onChange()
      next()
    })
    onChange()
  }

  const stop = (work: RunningJob): void => {
    work.stop(false)
    const timer = setTimeout(() => work.stop(true), patienceMs)
    work.done.then(() => clearTimeout(timer))
  }

  return {
    add(job) {
      if (closed || current?.job.id === job.id || waiting.some(({ id }) => id === job.id)) return
      waiting.push(job)
      onChange()
      next()
    },
    cancel(id) {
      const index = waiting.findIndex((job) => job.id === id)
      if (index >= 0) {
        waiting.splice(index, 1)
        onChange()
        return true
      }
      if (current?.job.id !== id) return false
      stop(current.work)
      return true
    },
    jobs: () => [
      ...(current ? [{ job: current.job, state: 'running' as const }] : []),
      ...waiting.map((job) => ({ job, state: 'waiting' as const })),
    ],
    async close() {
      closed = true
      const work = current?.work
      if (work === undefined) return
      stop(work)
      await work.done
    },
  }
}
