// Opening a training graph in the form that this machine runs fastest.
import { type Runtime, type Session, withSession } from '../../runtime/index.ts'
import type { TrainingGraph } from '../training-graph.ts'
import { blockSize } from './block-size.ts'
import { withBlockedLayout } from './blocked-layout.ts'

/** Opens a training graph, with blocked convolutions where the runtime has them, hands it to `work`, and closes it. */
export async function withTrainingSession<T>(
  runtime: Runtime,
  graph: Pick<TrainingGraph, 'model' | 'shapes'>,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const model = withBlockedLayout(graph.model, graph.shapes, await blockSize(runtime))
  return withSession(runtime, model, { optimization: 'extended', derived: 'training it' }, work)
}
