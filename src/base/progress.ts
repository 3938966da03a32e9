// One stream of events feeds the terminal bar, the studio and the log.

/** What is happening: `done` of `total` units of `step`. */
export interface ProgressEvent {
  readonly step: string
  readonly done: number
  readonly total: number
  readonly message?: string
  /** Numbers that can be drawn as curves: a training gives loss, score, rate, epoch, samplesPerSecond. */
  readonly values?: Readonly<Record<string, number>>
  /** Milliseconds since 1970. */
  readonly at: number
}

export type Progress = (event: ProgressEvent) => void

/** Options of every long-running function. */
export interface Watch {
  readonly progress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** Reports `done` of `total` of a step, when somebody listens. */
export function report(watch: Watch, step: string, done: number, total: number, message?: string): void {
  watch.progress?.({ step, done, total, at: Date.now(), ...(message === undefined ? {} : { message }) })
}
