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

/** What is reported of a step: `done` of `total`. */
export interface StepProgress extends Pick<ProgressEvent, 'step' | 'done' | 'total'> {
  readonly message?: string | undefined
}

/** Reports how far a step is, when somebody listens. */
export function report({ progress }: Watch, { step, done, total, message }: StepProgress): void {
  progress?.({ step, done, total, at: Date.now(), ...(message === undefined ? {} : { message }) })
}
