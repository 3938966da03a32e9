// The worker thread in which ONNX Runtime computes: `run` blocks its thread, so it must never be the main one.
import { parentPort } from 'node:worker_threads'
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { messageOf, type TensorValue } from '../base/index.ts'
import { dropBytes } from './drop-bytes.node.ts'
import type { Replies, Request, WireValues } from './messages.ts'
import { type Attempt, checkReadable, openNative, outputTypesOf, readableOutputs } from './native.ts'
import type { SessionOptions } from './session.ts'

const runtime = await import('onnxruntime-node')
const ort = runtime.default ?? runtime
// Its errors come as exceptions; what it also prints (unused initialisers, wrong declared shapes) is not news for the person.
ort.env.logLevel = 'fatal'
const sessions = new Map<number, InferenceSession>()
const profiled = new Set<number>()
let next = 1

function nativeOptions(
  options: SessionOptions,
  threads: number,
  { level, without }: Attempt,
): InferenceSession.SessionOptions {
  const session: Record<string, unknown> = { intra_op: { allow_spinning: '0' } }
  // Without VNNI a product of bytes saturates; this has no effect on other processors. The fusion lint wants the graph as written.
  if (!options.optimizedPath && !options.asDeployed) session['x64quantprecision'] = '1'
  if (options.simulate) session['disable_quant_qdq'] = '1'
  if (options.once) session['disable_prepacking'] = '1'
  return {
    graphOptimizationLevel: level,
    intraOpNumThreads: options.threads ?? threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    // From the second run on ONNX Runtime would take all memory in one piece, beside what the first run took: gigabytes where maps
    // are large, for a few per cent of time that no step of ours needs.
    ...(options.derived === undefined && !options.simulate ? {} : { enableMemPattern: false }),
    logSeverityLevel: 4,
    extra: { session, ...(without ? { optimization: { disable_specified_optimizers: without } } : {}) },
    ...(options.optimizedPath ? { optimizedModelFilePath: options.optimizedPath } : {}),
    ...(options.profilePrefix ? { enableProfiling: true, profileFilePrefix: options.profilePrefix } : {}),
  }
}

function sessionOf(id: number): InferenceSession {
  const session = sessions.get(id)
  if (!session) throw new Error('the session was closed before')
  return session
}

function tensorsOf(feeds: WireValues): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {}
  for (const [name, { dtype, data, dims }] of Object.entries(feeds)) tensors[name] = new ort.Tensor(dtype, data, dims)
  return tensors
}

function readValue(name: string, tensor: Tensor): TensorValue {
  const { type, data, dims } = tensor
  checkReadable(name, type, data)
  return { dtype: type, dims, data } as TensorValue
}

async function handle(request: Request): Promise<Replies[keyof Replies]> {
  switch (request.kind) {
    case 'open': {
      const { model, options, threads } = request
      const { session, note } = await openNative(options, (attempt) =>
        typeof model === 'string'
          ? ort.InferenceSession.create(model, nativeOptions(options, threads, attempt))
          : ort.InferenceSession.create(model, nativeOptions(options, threads, attempt)),
      ).finally(() => {
        if (typeof model !== 'string') dropBytes(model)
      })
      const id = next++
      sessions.set(id, session)
      if (request.options.profilePrefix) profiled.add(id)
      return {
        session: id,
        inputs: [...session.inputNames],
        outputs: [...session.outputNames],
        outputTypes: outputTypesOf(session.outputMetadata),
        note,
        version: ort.env.versions.node ?? '?',
      }
    }
    case 'run': {
      const session = sessionOf(request.session)
      const results = await session.run(tensorsOf(request.feeds), readableOutputs(session.outputMetadata))
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, readValue(name, tensor)]))
    }
    case 'time':
      return timeRuns(request)
    case 'close': {
      const session = sessionOf(request.session)
      sessions.delete(request.session)
      // Written only when it is asked for, and only before the session goes.
      if (profiled.delete(request.session)) session.endProfiling()
      await session.release()
      return null
    }
  }
}

/** Results are made for the caller alone: they are handed over, not copied. */
function buffersOf(values: Replies['run']): ArrayBuffer[] {
  const buffers = Object.values(values).map(({ data }) => data.buffer)
  return [...new Set(buffers)].filter((buffer) => buffer instanceof ArrayBuffer)
}

async function timeRuns({ sessions: ids, feeds, options }: Extract<Request, { kind: 'time' }>): Promise<number[][]> {
  const runs = ids.map((id, index) => ({
    session: sessionOf(id),
    tensors: tensorsOf(feeds[index] ?? {}),
    outputs: readableOutputs(sessionOf(id).outputMetadata),
    times: [] as number[],
  }))
  const warm = performance.now() + options.limitMs / 4
  for (let i = 0; i < options.warmups; i++) {
    for (const { session, tensors, outputs } of runs) await session.run(tensors, outputs)
    if (performance.now() > warm) break
  }
  const end = performance.now() + options.limitMs
  for (let round = 0; round < options.rounds; round++) {
    // Every other round starts with the other one: what follows a run must not favour one of them.
    for (const run of round % 2 === 0 ? runs : runs.toReversed()) {
      const started = performance.now()
      await run.session.run(run.tensors, run.outputs)
      run.times.push(performance.now() - started)
    }
    if (performance.now() > end) break
  }
  return runs.map((run) => run.times)
}

/** What is still being worked on. */
const busy = new Set<Promise<void>>()

parentPort?.on('message', async ({ id, request }: { id: number; request: Request | { kind: 'exit' } }) => {
  if (request.kind === 'exit') {
    await Promise.all(busy)
    for (const session of sessions.values()) await session.release()
    parentPort?.close()
    return
  }
  const work = answer(id, request)
  busy.add(work)
  await work
  busy.delete(work)
})

async function answer(id: number, request: Request): Promise<void> {
  try {
    const value = await handle(request)
    parentPort?.postMessage({ id, ok: true, value }, request.kind === 'run' ? buffersOf(value as Replies['run']) : [])
  } catch (error) {
    parentPort?.postMessage({ id, ok: false, message: messageOf(error) })
  }
}
