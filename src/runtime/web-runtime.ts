// The browser adapter: onnxruntime-web (WebAssembly), in the thread that calls it. A page calls it from a worker of its own.
import {
  type AnyTypedArray,
  InputError,
  messageOf,
  RuntimeFailure,
  type TensorValue,
  UnsupportedError,
  type ValueType,
} from '../base/index.ts'
import { type Model, refuseGiants, writeModel } from '../onnx/index.ts'
import { checkFeeds } from './feeds.ts'
import { loadError } from './load-error.ts'
import { tidy } from './messages-of-runtime.ts'
import {
  type Attempt,
  checkOutputs,
  checkReadable,
  type NativeMetadata,
  openNative,
  outputTypesOf,
  readableOutputs,
} from './native.ts'
import type { Runtime, Session, SessionOptions, TimedRuns, TimeOptions, Values } from './session.ts'

/** The module onnxruntime-web, as far as it is used: who has no browser never loads it, not even its types. */
export interface WebModule {
  readonly InferenceSession: { create(bytes: Uint8Array, options: WebSessionOptions): Promise<WebSession> }
  readonly Tensor: new (type: ValueType, data: AnyTypedArray, dims: readonly number[]) => WebTensor
  readonly env: { readonly versions: { readonly web?: string }; logLevel?: 'fatal' | string | undefined }
}

export interface WebTensor {
  readonly type: string
  readonly data: unknown
  readonly dims: readonly number[]
}

export interface WebSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  readonly outputMetadata: readonly NativeMetadata[]
  run(feeds: Record<string, WebTensor>, fetches: readonly string[]): Promise<Readonly<Record<string, WebTensor>>>
  release(): Promise<void>
  /** Prints how long each kernel took, where the session was opened with `enableProfiling`. */
  endProfiling(): void
}

export interface WebSessionOptions {
  readonly executionProviders: readonly ['wasm']
  readonly graphOptimizationLevel: 'all' | 'extended' | 'basic' | 'disabled'
  readonly intraOpNumThreads: number
  readonly interOpNumThreads: number
  readonly executionMode: 'sequential'
  readonly logSeverityLevel: 4
  readonly enableProfiling?: true
  readonly extra?: Record<string, unknown>
}

export interface WebRuntimeOptions {
  /** Threads inside an operator; more than 1 needs a page that is cross-origin isolated. Default 1. */
  readonly threads?: number
  /** Is told where a session with a `profilePrefix` closes; `end` prints the profile. Absent: there is nobody to read it. */
  readonly profiled?: (prefix: string, end: () => void) => Promise<void>
}

/** Milliseconds of computing after which messages of the page get their turn. */
const YIELD_MS = 16

/**
 * ONNX Runtime in WebAssembly as a Runtime.
 * @param ort `onnxruntime-web/wasm`, with `env.wasm.wasmPaths` set where the bundler does not find the file itself
 */
export function webRuntime(ort: WebModule, { threads = 1, profiled }: WebRuntimeOptions = {}): Runtime {
  // Its errors come as exceptions; what it also prints is not news for the person.
  ort.env.logLevel = 'fatal'
  const line = new Line()
  const notes: string[] = []
  const native = new WeakMap<Session, WebSession>()
  const opener = { ort, line, threads, profiled }
  return {
    name: 'onnxruntime-web',
    version: ort.env.versions.web ?? '?',
    threads,
    notes,
    open: async (given, options = {}) => {
      const { session, inner, note } = await line.next(() => openSession(opener, given, options))
      if (note !== undefined && !notes.includes(note)) notes.push(note)
      native.set(session, inner)
      return session
    },
    time: (sessions, feeds, options) =>
      line.next(() =>
        timeRuns(
          sessions.map((session, index) => ({ session: innerOf(native, session), feeds: feeds[index] ?? {} })),
          ort,
          options,
        ),
      ),
    close: () => line.next(async () => {}),
  }
}

function innerOf(native: WeakMap<Session, WebSession>, session: Session): WebSession {
  const inner = native.get(session)
  if (!inner) throw new InputError('the session belongs to another runtime')
  return inner
}

/** One create or run at a time: onnxruntime-web cannot do two. Between long ones messages get their turn, or nobody could cancel. */
class Line {
  #last: Promise<unknown> = Promise.resolve()
  #free = 0

  next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(async () => {
      if (performance.now() - this.#free > YIELD_MS) {
        await new Promise((resolve) => setTimeout(resolve))
        this.#free = performance.now()
      }
      return work()
    })
    this.#last = done.catch(() => {})
    return done
  }
}

/** What all sessions of a runtime share. */
interface Opener {
  readonly ort: WebModule
  readonly line: Line
  readonly threads: number
  readonly profiled: WebRuntimeOptions['profiled']
}

async function openSession(
  { ort, line, threads, profiled }: Opener,
  given: Model | Uint8Array,
  options: SessionOptions,
): Promise<{ session: Session; inner: WebSession; note: string | undefined }> {
  const label = options.label ?? 'the model'
  if (options.optimizedPath !== undefined)
    throw new UnsupportedError('a browser has no file for the optimised graph: the fusion lint runs on Node alone')
  if (options.profilePrefix !== undefined && !profiled)
    throw new UnsupportedError('a browser has no file for the times of kernels: they are measured on Node alone')
  const model = given instanceof Uint8Array ? undefined : given
  if (model) refuseGiants(model, options.label)
  let opened: { readonly session: WebSession; readonly note?: string }
  try {
    const bytes = given instanceof Uint8Array ? given : writeModel(given)
    opened = await openNative(options, (attempt) =>
      ort.InferenceSession.create(bytes, nativeOptions(options, threads, attempt)),
    )
  } catch (error) {
    throw loadError(messageOf(error), model, options)
  }
  const inner = opened.session
  const session: Session = {
    inputs: [...inner.inputNames],
    outputs: [...inner.outputNames],
    outputTypes: outputTypesOf(inner.outputMetadata),
    run: async (feeds) => {
      if (model) checkFeeds(model.graph.inputs, feeds)
      checkOutputs(session.outputs, session.outputTypes, label)
      try {
        return valuesOf(await line.next(() => inner.run(tensorsOf(ort, feeds), readableOutputs(inner.outputMetadata))))
      } catch (error) {
        if (error instanceof UnsupportedError) throw error
        const why = tidy(messageOf(error))
        throw new RuntimeFailure(`ONNX Runtime failed while running ${label}: ${why}`, { file: label }, error)
      }
    },
    close: () =>
      line.next(async () => {
        if (options.profilePrefix !== undefined) await profiled?.(options.profilePrefix, () => inner.endProfiling())
        await inner.release()
      }),
  }
  return { session, inner, note: opened.note }
}

function nativeOptions(options: SessionOptions, threads: number, { level, without }: Attempt): WebSessionOptions {
  const extra = {
    ...(options.simulate ? { session: { disable_quant_qdq: '1' } } : {}),
    ...(without ? { optimization: { disable_specified_optimizers: without } } : {}),
  }
  return {
    executionProviders: ['wasm'],
    graphOptimizationLevel: level,
    intraOpNumThreads: options.threads ?? threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 4,
    ...(options.profilePrefix === undefined ? {} : { enableProfiling: true }),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  }
}

function tensorsOf(ort: WebModule, feeds: Values): Record<string, WebTensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { dtype, data, dims }]) => [name, new ort.Tensor(dtype, data, dims)]),
  )
}

function valuesOf(results: Readonly<Record<string, WebTensor>>): Values {
  return Object.fromEntries(
    Object.entries(results).map(([name, { type, data, dims }]) => {
      checkReadable(name, type, data)
      return [name, { dtype: type, dims, data } as TensorValue]
    }),
  )
}

async function timeRuns(
  runs: readonly { readonly session: WebSession; readonly feeds: Values }[],
  ort: WebModule,
  { warmups, rounds, limitMs }: TimeOptions,
): Promise<TimedRuns> {
  const timed = runs.map(({ session, feeds }) => ({
    session,
    tensors: tensorsOf(ort, feeds),
    outputs: readableOutputs(session.outputMetadata),
    times: [] as number[],
  }))
  const warm = performance.now() + limitMs / 4
  for (let i = 0; i < warmups; i++) {
    for (const { session, tensors, outputs } of timed) await session.run(tensors, outputs)
    if (performance.now() > warm) break
  }
  const end = performance.now() + limitMs
  for (let round = 0; round < rounds; round++) {
    // Every other round starts with the other one: what follows a run must not favour one of them.
    for (const run of round % 2 === 0 ? timed : timed.toReversed()) {
      const started = performance.now()
      await run.session.run(run.tensors, run.outputs)
      run.times.push(performance.now() - started)
    }
    if (performance.now() > end) break
  }
  return { milliseconds: timed.map(({ times }) => times) }
}
