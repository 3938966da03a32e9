// The Node adapter: ONNX Runtime in one worker thread, many threads inside an operator; the event loop stays free.
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { messageOf, RuntimeFailure } from '../base/index.ts'
import { byteLengthOf, liesInLargeFiles, WeightStore, withLinkedModel } from '../onnx/index.node.ts'
import { type Model, piecesOf, refuseGiants, writeModel } from '../onnx/index.ts'
import { checkFeeds } from './feeds.ts'
import { sessionInPieces } from './in-pieces.ts'
import { loadError } from './load-error.ts'
import type { Replies, Reply, Request, WireValues } from './messages.ts'
import { tidy } from './messages-of-runtime.ts'
import { checkOutputs } from './native.ts'
import { fromSharedCodes, withOwnCodes } from './own-codes.ts'
import type { Runtime, Session, SessionOptions, TimedRuns, TimeOptions, Values } from './session.ts'

/** Options of the Node adapter. */
export interface NodeRuntimeOptions {
  /** Threads inside an operator; default: all cores. */
  readonly threads?: number
}

/** Sessions by what they were opened as, so that `time` finds their numbers. */
const numbers = new WeakMap<Session, number>()

/**
 * Starts ONNX Runtime in a worker thread. Call `close` when done, or the process does not end.
 * @example
 * ```ts
 * const runtime = await openRuntime({ threads: 1 })
 * const session = await runtime.open(await readModelFile('model.onnx'))
 * const outputs = await session.run({ x: { dtype: 'float32', dims: [1, 3], data: Float32Array.of(1, 2, 3) } })
 * await runtime.close()
 * ```
 */
export async function openRuntime(options: NodeRuntimeOptions = {}): Promise<Runtime> {
  // ONNX Runtime reports its use to its makers, and leaves files in the temporary folder, unless it is told not to.
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1'
  const threads = options.threads ?? availableParallelism()
  const link = new WorkerLink()
  // ONNX Runtime loads while the caller reads its model.
  link.start()
  const { createRequire } = await import('node:module')
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }

  const notes: string[] = []
  const store = new WeightStore()
  return {
    name: 'onnxruntime-node',
    version,
    threads,
    notes,
    open: (model, sessionOptions = {}) => openSession({ link, store, threads, notes }, model, sessionOptions),
    stow: (model) => store.stow(model),
    time: (sessions, feeds, timeOptions) => timeSessions(link, sessions, feeds, timeOptions),
    close: () => link.close().finally(() => store.close()),
  }
}

/** Bytes of constants above which a model goes to ONNX Runtime as a file, whose weights it maps instead of copying them. */
const BY_PATH = 2 ** 24

/** Bytes of constants above which a model runs in pieces, and those of a piece. */
const WHOLE = 1e9
const PIECE = 2 ** 27

/** What all sessions of a runtime share. */
interface Opener {
  readonly link: WorkerLink
  readonly store: WeightStore
  readonly threads: number
  /** Is added to. */
  readonly notes: string[]
}

async function openSession(opener: Opener, given: Model | Uint8Array, options: SessionOptions): Promise<Session> {
  const model = given instanceof Uint8Array ? undefined : given
  if (model) refuseGiants(model, options.label)
  const pieces = model && runsInPieces(model, options) ? piecesOf(model, PIECE) : undefined
  if (model && pieces)
    return sessionInPieces(model, pieces, (piece) => openSession(opener, piece, { ...options, once: true }))
  const { link, store, threads, notes } = opener
  const label = options.label ?? 'the model'
  let opened: Replies['open']
  try {
    const byPath = (path: string) => link.ask({ kind: 'open', model: path, options, threads }, [])
    const open = (own: Model) => {
      if (options.once || liesInLargeFiles(own)) return withLinkedModel(own, byPath)
      const file = byteLengthOf(own) > BY_PATH ? store.file(own) : undefined
      return file ? byPath(file.path).finally(file.remove) : openBytes(link, writeModel(own), options, threads)
    }
    opened = !model
      ? await link.ask({ kind: 'open', model: given as Uint8Array, options, threads }, [])
      : await open(model).catch((error: unknown) => {
          if (!fromSharedCodes(messageOf(error))) throw error
          return open(withOwnCodes(model))
        })
  } catch (error) {
    if (error instanceof RuntimeFailure) throw error
    throw loadError(messageOf(error), model, options)
  }
  if (opened.note !== undefined && !notes.includes(opened.note)) notes.push(opened.note)
  const session: Session = {
    inputs: opened.inputs,
    outputs: opened.outputs,
    outputTypes: opened.outputTypes,
    run: async (feeds, { handOver = [] } = {}) => {
      if (model) checkFeeds(model.graph.inputs, feeds)
      checkOutputs(opened.outputs, opened.outputTypes, label)
      try {
        const buffers = new Set(handOver.flatMap((name) => feeds[name]?.data.buffer ?? []))
        return await link.ask({ kind: 'run', session: opened.session, feeds: { ...feeds } as WireValues }, [...buffers])
      } catch (error) {
        if (error instanceof RuntimeFailure) throw error
        throw new RuntimeFailure(
          `ONNX Runtime failed while running ${label}: ${tidy(messageOf(error))}`,
          { file: label },
          error,
        )
      }
    },
    close: async () => {
      await link.ask({ kind: 'close', session: opened.session })
    },
  }
  numbers.set(session, opened.session)
  return session
}

/** What is written by a session is about the whole model. */
function runsInPieces(model: Model, { optimizedPath, profilePrefix }: SessionOptions): boolean {
  return optimizedPath === undefined && profilePrefix === undefined && byteLengthOf(model) > WHOLE
}

/** Bytes that were made here are handed over; a caller's stay with the caller. */
function openBytes(link: WorkerLink, bytes: Uint8Array, options: SessionOptions, threads: number) {
  return link.ask({ kind: 'open', model: bytes, options, threads }, [bytes.buffer])
}

async function timeSessions(
  link: WorkerLink,
  sessions: readonly Session[],
  feeds: readonly Values[],
  options: TimeOptions,
): Promise<TimedRuns> {
  const ids = sessions.map((session) => numbers.get(session) ?? 0)
  return {
    milliseconds: await link.ask({ kind: 'time', sessions: ids, feeds: feeds as readonly WireValues[], options }),
  }
}

/** Requests and replies over the worker's message port. The worker can be started ahead of the first request. */
class WorkerLink {
  #worker: Worker | undefined
  #next = 1
  readonly #waiting = new Map<
    number,
    { resolve: (value: Replies[keyof Replies]) => void; reject: (error: Error) => void }
  >()
  #closing: Promise<void> | undefined

  ask<K extends Request['kind']>(
    request: Extract<Request, { kind: K }>,
    handedOver: readonly ArrayBufferLike[] = [],
  ): Promise<Replies[K]> {
    // Whoever still asks after the end must not bring the worker back to life: nobody would close it again.
    if (this.#closing) return Promise.reject(new RuntimeFailure('the runtime was closed before'))
    const worker = this.start()
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: Replies[keyof Replies]) => void, reject })
      worker.postMessage(
        { id, request },
        handedOver.filter((buffer) => buffer instanceof ArrayBuffer),
      )
    })
  }

  /**
   * The end: what was asked for is waited for, nothing more is taken. Terminating a busy worker aborts the process, so the
   * worker is asked to leave.
   */
  close(): Promise<void> {
    this.#closing ??= this.#leave()
    return this.#closing
  }

  async #leave(): Promise<void> {
    const worker = this.#worker
    if (!worker) return
    const left = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage({ id: 0, request: { kind: 'exit' } })
    await left
  }

  start(): Worker {
    if (this.#worker) return this.#worker
    const worker = startWorker()
    worker.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id)
      this.#waiting.delete(reply.id)
      if (reply.ok) waiting?.resolve(reply.value)
      else waiting?.reject(new Error(reply.message))
    })
    const fail = (error: Error) => {
      // Of an error an exit follows, when another worker may have been started.
      if (this.#worker !== worker) return
      for (const waiting of this.#waiting.values()) waiting.reject(error)
      this.#waiting.clear()
      this.#worker = undefined
    }
    worker.on('error', (error) =>
      fail(new RuntimeFailure(`ONNX Runtime's worker stopped: ${tidy(messageOf(error))}`, {}, error)),
    )
    worker.on('exit', () => fail(new RuntimeFailure("ONNX Runtime's worker has ended")))
    this.#worker = worker
    return worker
  }
}

/** Tensors lie outside the worker's heap, which needs little room for new objects. */
const resourceLimits = { maxYoungGenerationSizeMb: 4 }

/** From the package the worker lies beside this file; from source (tests) it is TypeScript, and tsx must read it. */
function startWorker(): Worker {
  if (!import.meta.url.endsWith('.ts'))
    return new Worker(new URL('./worker.node.js', import.meta.url), { resourceLimits })
  const url = JSON.stringify(new URL('./worker.node.ts', import.meta.url).href)
  return new Worker(`import('tsx/esm/api').then(({ register }) => { register(); return import(${url}) })`, {
    eval: true,
    resourceLimits,
  })
}
