// What the main thread and the worker that runs the models say to each other.
import type { TensorValue } from '../base/index.ts'
import type { DType } from '../onnx/index.ts'
import type { SessionOptions, TimeOptions } from './session.ts'

export type WireValues = Record<string, TensorValue>

/** Asked of the worker. */
export type Request =
  | {
      readonly kind: 'open'
      /** A model, or the path of its file. */
      readonly model: Uint8Array | string
      readonly options: SessionOptions
      readonly threads: number
    }
  | { readonly kind: 'run'; readonly session: number; readonly feeds: WireValues }
  | {
      readonly kind: 'time'
      readonly sessions: readonly number[]
      readonly feeds: readonly WireValues[]
      readonly options: TimeOptions
    }
  | { readonly kind: 'close'; readonly session: number }

/** The same, asked of a process: a model comes as a file, which costs neither of them a copy. */
export type ProcessRequest =
  | Exclude<Request, { kind: 'open' }>
  | { readonly kind: 'open'; readonly file: string; readonly options: SessionOptions; readonly threads: number }

export interface Replies {
  open: {
    session: number
    inputs: string[]
    outputs: string[]
    outputTypes: Record<string, DType>
    version: string
    /** How it was opened, where it was not as asked. */
    note: string | undefined
  }
  run: WireValues
  time: number[][]
  close: null
}

export type Reply =
  | { readonly id: number; readonly ok: true; readonly value: Replies[keyof Replies] }
  | { readonly id: number; readonly ok: false; readonly message: string }
