// How a run stands, as a mark and a word: colour only repeats it.
import type { RunState } from '../types.ts'

const marks: Readonly<Record<RunState, string>> = {
  queued: '… waiting',
  running: '▶ running',
  done: '✓ done',
  failed: '✕ failed',
  cancelled: '– cancelled',
  interrupted: '! interrupted',
}

export function StateBadge({ state }: { readonly state: RunState }) {
  return <span class={`state ${state}`}>{marks[state]}</span>
}
