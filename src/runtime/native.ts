// What both adapters do alike with ONNX Runtime's own sessions: types of outputs, and a second try where an optimiser fails.
import { isValueType, messageOf, UnsupportedError } from '../base/index.ts'
import type { DType } from '../onnx/index.ts'
import { tidy } from './messages-of-runtime.ts'
import type { SessionOptions } from './session.ts'

type Level = NonNullable<SessionOptions['optimization']>

/** How hard ONNX Runtime rewrites a graph, and which of its optimisers is left out. */
export interface Attempt {
  readonly level: Level
  readonly without?: string
}

const levels: readonly Level[] = ['all', 'extended', 'basic', 'disabled']

/**
 * Opens a session. A model that was made for a step may hold what an optimiser of ONNX Runtime does not expect: where one fails,
 * the optimiser that the message names is left out, then the level is lowered.
 * @returns the session, and a sentence when it was not opened as asked
 * @throws what ONNX Runtime says without any optimiser, when it does not load the model at all
 */
export async function openNative<S>(
  { optimization = 'all', derived }: SessionOptions,
  create: (attempt: Attempt) => Promise<S>,
): Promise<{ readonly session: S; readonly note?: string }> {
  try {
    return { session: await create({ level: optimization }) }
  } catch (error) {
    if (derived === undefined || optimization === 'disabled') throw error
    const message = messageOf(error)
    for (const attempt of attemptsAfter(optimization, message)) {
      const session = await create(attempt).catch((again: unknown) => {
        if (attempt.level === 'disabled') throw again
        return undefined
      })
      if (session) return { session, note: noteOf(attempt, derived, message) }
    }
    throw error
  }
}

function attemptsAfter(level: Level, message: string): Attempt[] {
  const without = optimizerIn(message)
  return [
    ...(without ? [{ level, without }] : []),
    ...levels.slice(levels.indexOf(level) + 1).map((lower) => ({ level: lower })),
  ]
}

/** "core/optimizer/reshape_fusion.cc" → ReshapeFusion. */
function optimizerIn(message: string): string | undefined {
  const file = /core\/optimizer\/(?:\w+\/)*(\w+)\.(?:cc|h):\d+/.exec(message)?.[1]
  return file?.replace(/(?:^|_)([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase())
}

function noteOf({ level, without }: Attempt, derived: string, message: string): string {
  const how = without ? `without ${without}` : level === 'disabled' ? 'without optimisation' : `at its level "${level}"`
  return `an optimiser of ONNX Runtime fails on the model as it is for ${derived} (${tidy(message)}); this step runs ${how}`
}

/** What a native session says of an input or output. */
export interface NativeMetadata {
  readonly name: string
  readonly isTensor: boolean
  readonly type?: string
}

/** Element types of the outputs that are tensors. */
export function outputTypesOf(metadata: readonly NativeMetadata[]): Record<string, DType> {
  return Object.fromEntries(
    metadata.flatMap(({ name, isTensor, type }) => (isTensor && type ? [[name, type as DType]] : [])),
  )
}

/**
 * Names of the outputs to fetch: sequences and maps cannot be read.
 * @throws UnsupportedError for types of half a byte, at which onnxruntime-node brings the whole process down
 */
export function readableOutputs(metadata: readonly NativeMetadata[]): string[] {
  const packed = metadata.find(({ isTensor, type = '' }) => isTensor && /^u?int[24]$/.test(type))
  if (packed) throw new UnsupportedError(`output "${packed.name}" is of type ${packed.type}, which cannot be read`)
  return metadata.filter(({ isTensor }) => isTensor).map(({ name }) => name)
}

/** @throws UnsupportedError when no output is a tensor */
export function checkOutputs(outputs: readonly string[], types: Readonly<Record<string, DType>>, label: string): void {
  if (outputs.length === 0 || Object.keys(types).length > 0) return
  throw new UnsupportedError(
    `cannot read what ${label} gives: ${outputs.join(', ')} are not tensors but sequences or maps, which ONNX Runtime does not hand over; end the model at the tensors before them`,
    { file: label },
  )
}

/** @throws UnsupportedError when an output is of a type that has no array in JavaScript */
export function checkReadable(name: string, type: string, data: unknown): void {
  if (!isValueType(type) || !ArrayBuffer.isView(data))
    throw new UnsupportedError(`output "${name}" is of type ${type}, which cannot be read`)
}
