// What a training leaves as it is, in words.
import type { TrainingGraph } from './training-graph.ts'

/** Names in a sentence, at most. */
const SHOWN = 5

/** A sentence about the nodes on which the loss does not depend, one about grids; none where everything is trained. */
export function untrainedNotes({ untrained }: TrainingGraph): string[] {
  const nodes = [...new Set(untrained.filter(({ kind }) => kind !== 'scale').map(({ node }) => node))]
  const grids = untrained.filter(({ kind }) => kind === 'scale').length
  const shown = nodes.slice(0, SHOWN).join(', ')
  const more = nodes.length > SHOWN ? ` and ${nodes.length - SHOWN} more` : ''
  return [
    ...(nodes.length > 0
      ? [
          `the loss does not depend on ${shown}${more}: ${nodes.length === 1 ? 'it stays as it is' : 'they stay as they are'}`,
        ]
      : []),
    ...(grids > 0
      ? [
          `${grids} grid${grids === 1 ? '' : 's'} that the loss does not reach stay${grids === 1 ? 's' : ''} as calibrated`,
        ]
      : []),
  ]
}
