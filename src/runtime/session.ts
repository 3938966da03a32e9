// A model that can be run. Adapters implement Runtime: ONNX Runtime in a Node worker, onnxruntime-web, a fake in tests.
import type { TensorValue } from '../base/index.ts'
import type { DType, Model } from '../onnx/index.ts'

/** Values by input or output name. */
export type Values = Readonly<Record<string, TensorValue>>

export interface SessionOptions {
  /** Graph optimisation; `all` is what deployment uses. */
  readonly optimization?: 'all' | 'extended' | 'basic' | 'disabled'
  /** Q/DQ pairs stay and everything computes in float: the simulation of a quantised file. */
  readonly simulate?: boolean
  /**
   * Products of bytes as ONNX Runtime makes them where nobody asks for more: on x64 without VNNI two of them are added in 16 bits, which
   * saturates. Otherwise they are exact (session.x64quantprecision).
   */
  readonly asDeployed?: boolean
  /** Threads inside an operator; default: all cores. */
  readonly threads?: number
  /** Name for messages, usually the file. */
  readonly label?: string
  /**
   * The model is not a file but one that onnxpress made for a step, "watching its values" say. Where an optimiser of ONNX Runtime
   * fails on it, it runs without; when it does not load at all, the step is named and not the file.
   */
  readonly derived?: string
  /** It runs once: weights are read where they lie, not laid out anew for the kernels. */
  readonly once?: boolean
  /** Where ONNX Runtime writes its optimised graph (Node only; for inspection). */
  readonly optimizedPath?: string
  /** Where ONNX Runtime writes how long each kernel took when the session closes: the beginning of a file name (not in a page). */
  readonly profilePrefix?: string
}

export interface RunOptions {
  /** Feeds whose buffers are not needed any more: where there is another thread they move there and are empty here. */
  readonly handOver?: readonly string[]
}

/** A loaded model. `close` exactly once; `withSession` does it for you. */
export interface Session {
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Element types of the outputs that are tensors. */
  readonly outputTypes: Readonly<Record<string, DType>>
  /** Of a model too large to be held: so many pieces are opened in each run, one after the other, and nothing is said by its time. */
  readonly pieces?: number
  /**
   * Runs the model; outputs that are not tensors (sequences, maps) cannot be read and are left out.
   * @throws InputError for wrong feeds, RuntimeFailure when ONNX Runtime fails
   */
  readonly run: (feeds: Values, options?: RunOptions) => Promise<Values>
  readonly close: () => Promise<void>
}

export interface TimedRuns {
  /** Milliseconds of each counted run, one list a session. */
  readonly milliseconds: readonly (readonly number[])[]
}

export interface Runtime {
  readonly name: string
  readonly version: string
  readonly threads: number
  /** What had to be done in another way than asked, a sentence each; whoever tells the person takes them out. */
  readonly notes: string[]
  /** @throws UnsupportedError when ONNX Runtime cannot load the model, naming node, operator and domain */
  readonly open: (model: Model | Uint8Array, options?: SessionOptions) => Promise<Session>
  /**
   * The same model with its large constants where this runtime maps them from, a disk, instead of in memory, for as long as the
   * runtime is open. For models that are kept; absent where there is no such place.
   */
  readonly stow?: (model: Model) => Model
  /** Runs the sessions in turn (A B A B …) where they live, so that messages and other work are not counted. */
  readonly time: (sessions: readonly Session[], feeds: readonly Values[], options: TimeOptions) => Promise<TimedRuns>
  /** Waits for the run in flight, then frees everything. */
  readonly close: () => Promise<void>
}

export interface TimeOptions {
  readonly warmups: number
  readonly rounds: number
  /** Stops early after this many milliseconds. */
  readonly limitMs: number
}

/** Opens a session, hands it to `work`, and closes it whatever happens. */
export async function withSession<T>(
  runtime: Runtime,
  model: Model | Uint8Array,
  options: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await runtime.open(model, options)
  try {
    return await work(session)
  } finally {
    await session.close()
  }
}
