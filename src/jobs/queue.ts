// A queue of runs in domain words. The in-process one is here; a broker on another machine would implement the same.

/** A run that is to be done. It says what, not where: it is done in any place that has its inputs, and small enough for a broker. */
export interface Job {
  readonly id: string
  /** The recipe; fields that are also in `inputs` are taken from there. */
  readonly recipe: Readonly<Record<string, unknown>>
  /** Inputs that lie in a store, by the recipe's field that names them. Of a run whose files lie where it is done: none. */
  readonly inputs?: Readonly<Record<string, JobInput>>
}

/** The files of an input: one, a model with its external data, or a folder of samples. */
export interface JobInput {
  /** Path below a common folder, with "/" → key of the content in a store. */
  readonly files: Readonly<Record<string, string>>
  /** The path among them that the recipe means; '' is the folder. */
  readonly main: string
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

/** Starts the run that is prepared in a folder of this machine. */
export type StartFolder = (folder: string) => RunningJob

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
