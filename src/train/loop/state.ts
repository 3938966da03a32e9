// Everything a training knows between two steps, and its bytes on disk: resuming gives the same bits as never stopping.
import { InputError } from '../../base/index.ts'

export type Arrays = ReadonlyMap<string, Float32Array>

/** One finished epoch. */
export interface EpochRow {
  readonly epoch: number
  /** Mean loss over its steps. */
  readonly loss: number
  /** Score on held-back samples, higher is better; absent when nothing was held back. */
  readonly score?: number
  readonly rate: number
  readonly seconds: number
}

export interface TrainState {
  /** Epochs finished, and steps taken in the one after. */
  epoch: number
  stepInEpoch: number
  step: number
  /** Sum of the losses of the steps in this epoch. */
  lossSum: number
  /** Factor of the learning rate, halved when a loss was not finite. */
  rateFactor: number
  halvings: number
  /** Trained arrays and running statistics. */
  values: Map<string, Float32Array>
  moments: Map<string, Float32Array[]>
  best: { epoch: number; score: number; values: Map<string, Float32Array> } | undefined
  history: EpochRow[]
  /** Losses of single steps, for the curve; thinned when there are many. */
  losses: { step: number; loss: number }[]
}

/** The state of a training before its first step; the arrays are copied. */
export function newState(values: Arrays): TrainState {
  return {
    epoch: 0,
    stepInEpoch: 0,
    step: 0,
    lossSum: 0,
    rateFactor: 1,
    halvings: 0,
    values: cloneArrays(values),
    moments: new Map(),
    best: undefined,
    history: [],
    losses: [],
  }
}

/** Copies of arrays by name. */
export function cloneArrays(arrays: Arrays): Map<string, Float32Array> {
  return new Map([...arrays].map(([name, array]) => [name, array.slice()]))
}

/** A copy that shares no array with the state. */
export function cloneState(state: TrainState): TrainState {
  return {
    ...state,
    values: cloneArrays(state.values),
    moments: new Map([...state.moments].map(([name, list]) => [name, list.map((array) => array.slice())])),
    history: [...state.history],
    losses: [...state.losses],
  }
}

const MAGIC = 'onnxpress-train-1\n'

interface Header {
  readonly fingerprint: string
  readonly counters: Omit<TrainState, 'values' | 'moments' | 'best'>
  readonly best?: { readonly epoch: number; readonly score: number }
  /** Group ("values", "best", "moment 0" …), name, length, in the order of the data. */
  readonly arrays: readonly (readonly [group: string, name: string, length: number])[]
}

/** A state as bytes: a line, a JSON header of one line, then all arrays as little-endian float32. */
export function encodeState(state: TrainState, fingerprint: string): Uint8Array {
  const { values, moments, best, ...counters } = state
  const list: [string, string, Float32Array][] = []
  for (const [name, array] of values) list.push(['values', name, array])
  for (const [name, arrays] of moments)
    for (const [i, array] of arrays.entries()) list.push([`moment ${i}`, name, array])
  for (const [name, array] of best?.values ?? []) list.push(['best', name, array])
  const header: Header = {
    fingerprint,
    counters,
    ...(best ? { best: { epoch: best.epoch, score: best.score } } : {}),
    arrays: list.map(([group, name, array]) => [group, name, array.length]),
  }
  const text = new TextEncoder().encode(`${MAGIC}${JSON.stringify(header)}\n`)
  const size = list.reduce((sum, [, , array]) => sum + array.byteLength, 0)
  const bytes = new Uint8Array(text.length + size)
  bytes.set(text)
  let offset = text.length
  for (const [, , array] of list) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), offset)
    offset += array.byteLength
  }
  return bytes
}

/**
 * Reads a state back.
 * @throws InputError when it is not a checkpoint, is cut off, or belongs to another training
 */
export function decodeState(bytes: Uint8Array, fingerprint: string, file: string): TrainState {
  const start = MAGIC.length
  const end = bytes.indexOf(10, start)
  if (new TextDecoder().decode(bytes.subarray(0, start)) !== MAGIC || end < 0)
    throw new InputError(`cannot resume from ${file}: it is not a checkpoint`, { file })
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(start, end))) as Header
  if (header.fingerprint !== fingerprint)
    throw new InputError(
      `cannot resume from ${file}: it belongs to a training with another model, data or options; give the same ones, or remove it`,
      { file },
    )
  const { counters, arrays, best } = header
  const state: TrainState = { ...counters, values: new Map(), moments: new Map(), best: undefined }
  if (best) state.best = { ...best, values: new Map() }
  let offset = end + 1
  for (const [group, name, length] of arrays) {
    const part = bytes.slice(offset, offset + 4 * length)
    if (part.byteLength !== 4 * length) throw new InputError(`cannot resume from ${file}: it is cut off`, { file })
    const array = new Float32Array(part.buffer)
    offset += 4 * length
    if (group === 'values') state.values.set(name, array)
    else if (group === 'best') state.best?.values.set(name, array)
    else state.moments.set(name, [...(state.moments.get(name) ?? []), array])
  }
  return state
}
