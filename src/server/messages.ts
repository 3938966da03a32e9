// What the back end of the studio says to its page, whether it is a server or a worker beside the page.
import type { ProgressEvent } from '../base/index.ts'
import type { CommandSchema, RunSummary } from '../pipeline/index.ts'

/** `GET session`: what the page needs to know before anything else. */
export interface SessionMessage {
  /** page: there is no server; files stay in the tab, and so do the runs. */
  readonly place: 'server' | 'page'
  readonly version: string
  readonly folders: readonly string[]
  /** The recipes of the commands that can be run, as JSON schema, with the texts of their fields. */
  readonly schema: { readonly oneOf: readonly CommandSchema[] }
  /** What cannot be done here and can be done elsewhere, a sentence each. */
  readonly limits: readonly string[]
}

/** What changed: a run as it stands now, or a piece of its progress; `start` is the place of the first event in the run. */
export type RunNews =
  | { readonly type: 'run'; readonly run: RunSummary }
  | { readonly type: 'events'; readonly id: string; readonly events: readonly ProgressEvent[]; readonly start: number }

/** `GET runs/ID`. */
export interface RunMessage {
  readonly run: RunSummary
  readonly events: readonly ProgressEvent[]
  /** What a command without a report printed. */
  readonly result: unknown
}

/** Where a ticket leads; a name when the browser cannot know it. */
export interface TicketMessage {
  readonly path: string
  readonly name?: string
}

export interface FileEntry {
  readonly name: string
  readonly path: string
  readonly kind: 'folder' | 'model' | 'data' | 'picture' | 'other'
  readonly sizeBytes?: number
}

export interface FileListing {
  readonly path: string
  /** The folder above, unless that is outside. */
  readonly parent?: string
  readonly entries: readonly FileEntry[]
  /** How many more there are. */
  readonly more: number
}
