// A queue of runs in domain words. The in-process one is here; a broker on another machine would implement the same.

/** A run that is to be done. Its folder says everything else. */
export interface Job {
  readonly id: string
  readonly folder: string
}

/** A running job. */
export interface RunningJob {
  /** Settles when the work has ended in whatever way; never rejects. */
  readonly done: Promise<void>
  /** Asks it to stop; `hard` does not wait for the batch in flight. */
  readonly stop: (hard: boolean) => void
}

/** Starts a job. */
export type StartJob = (job: Job) => RunningJob

export interface Queue {
  /** Adds a job at the end. A job that waits or runs already is not added twice. */
  readonly add: (job: Job) => void
  /** Takes a waiting job out, or asks a running one to stop. False when there is no such job. */
  readonly cancel: (id: string) => boolean
  /** The running jobs, then the waiting ones in order. */
  readonly jobs: () => readonly { readonly job: Job; readonly state: 'running' | 'waiting' }[]
  /** Stops what runs, starts nothing more, and waits until all has ended. Waiting jobs stay undone. */
  readonly close: () => Promise<void>
}
