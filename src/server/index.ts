// server, as its page sees it: the messages between the two. Types alone, so that a page can import them.
// Imports base and pipeline; what serves is behind index.node.ts.

export type { CommandSchema, FieldSchema } from '../pipeline/index.ts'
export type * from './messages.ts'
