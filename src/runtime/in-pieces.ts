// A session of a model that is run piece by piece: the constants of one piece are in memory at a time.
import type { TensorValue } from '../base/index.ts'
import { allInputs, inferTypes, type Model, type Piece } from '../onnx/index.ts'
import { checkFeeds } from './feeds.ts'
import type { Session } from './session.ts'

/**
 * Opens nothing yet: each run opens one piece after the other.
 * @param open a session of a piece
 */
export function sessionInPieces(
  model: Model,
  pieces: readonly Piece[],
  open: (piece: Model) => Promise<Session>,
): Session {
  const types = inferTypes(model.graph)
  const outputs = model.graph.outputs.map(({ name }) => name)
  return {
    inputs: allInputs(model.graph).map(({ name }) => name),
    outputs,
    outputTypes: known(outputs, (name) => types.get(name)?.dtype),
    pieces: pieces.length,
    run: async (feeds) => {
      checkFeeds(model.graph.inputs, feeds)
      const values = new Map<string, TensorValue>(Object.entries(feeds))
      for (const piece of pieces) await runPiece(piece, values, open)
      return known(outputs, (name) => values.get(name))
    },
    close: async () => {},
  }
}

async function runPiece(
  { model, last }: Piece,
  values: Map<string, TensorValue>,
  open: (piece: Model) => Promise<Session>,
): Promise<void> {
  const names = model.graph.inputs.map(({ name }) => name)
  const feeds = known(names, (name) => values.get(name))
  for (const name of last) values.delete(name)
  const session = await open(model)
  try {
    for (const [name, value] of Object.entries(await session.run(feeds, { handOver: last }))) values.set(name, value)
  } finally {
    await session.close()
  }
}

/** What is known of some names. */
function known<T>(names: readonly string[], find: (name: string) => T | undefined): Record<string, T> {
  const found: Record<string, T> = {}
  for (const name of names) {
    const value = find(name)
    if (value !== undefined) found[name] = value
  }
  return found
}
