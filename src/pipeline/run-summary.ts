// How a run stands, in words that a list, a page and a file share.

export type RunState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

/** A run as a list shows it. */
export interface RunSummary {
  readonly id: string
  readonly folder: string
  readonly name: string
  /** `interrupted`: its process is gone without a word. */
  readonly state: RunState | 'interrupted'
  readonly command: string
  readonly model: string
  readonly recipe: Readonly<Record<string, unknown>>
  readonly createdAt: number
  readonly startedAt?: number
  readonly endedAt?: number
  readonly message?: string
  /** The verdict's headline and tone, once there is a report. */
  readonly headline?: string
  readonly tone?: string
  readonly hasReport: boolean
  /** The written model, when it exists. */
  readonly output?: string
}
