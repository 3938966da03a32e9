// What the back end says, by the names that the page uses. The shapes are those of `src`: nothing is written twice.
export type { ProgressEvent } from '../../src/base/index.ts'
export type { DrawnLayer, DrawnNode, ModelView, NodeTimes, RunSummary as Run } from '../../src/pipeline/index.ts'
export type {
  CommandSchema,
  FieldSchema,
  FileEntry,
  FileListing,
  RunMessage,
  RunNews,
  SessionMessage as Session,
  TicketMessage,
} from '../../src/server/index.ts'

import type { RunSummary } from '../../src/pipeline/index.ts'

export type RunState = RunSummary['state']
