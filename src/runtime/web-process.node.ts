// onnxruntime-web's WebAssembly on Node, in a process of its own: neither a crash nor its memory reaches the one that asks.
import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InputError, RuntimeFailure, UnsupportedError } from '../base/index.ts'
import { withTemporary } from '../onnx/index.node.ts'
import { writeModel } from '../onnx/index.ts'
import { dropBytes } from './drop-bytes.node.ts'
import type { ProcessRequest, Replies, Reply, WireValues } from './messages.ts'
import type { Runtime, Session } from './session.ts'

/**
 * ONNX Runtime in WebAssembly as a Runtime; undefined where the package onnxruntime-web is not installed. The process starts with
 * the first model, anew where it ended, and is gone after `close`. Starting it takes seconds of a processor (WebAssembly is compiled,
 * then optimised), so that whoever opens it while somebody else has it open gets the same one.
 */
export function openWebProcess(): Runtime | undefined {
  const version = webVersion()
  if (version === undefined) return undefined
  const { process, close } = sharedProcess()
  const notes: string[] = []
  const numbers = new WeakMap<Session, number>()
  const numberOf = (session: Session) => {
    const number = numbers.get(session)
    if (number === undefined) throw new InputError('the session belongs to another runtime')
    return number
  }
  return {
    name: 'onnxruntime-web',
    version,
    threads: 1,
    notes,
    open: async (given, options = {}) => {
      const opened = await withTemporary(await mkdtemp(join(tmpdir(), 'onnxpress-')), async (folder) => {
        const file = join(folder, 'model.onnx')
        const bytes = given instanceof Uint8Array ? given : writeModel(given)
        await writeFile(file, bytes)
        if (bytes !== given) dropBytes(bytes)
        return process.ask({ kind: 'open', file, options, threads: 1 })
      })
      if (opened.note !== undefined && !notes.includes(opened.note)) notes.push(opened.note)
      const { session: number, inputs, outputs, outputTypes } = opened
      const session: Session = {
        inputs,
        outputs,
        outputTypes,
        run: (feeds) => process.ask({ kind: 'run', session: number, feeds: { ...feeds } }),
        close: async () => {
          await process.ask({ kind: 'close', session: number })
        },
      }
      numbers.set(session, number)
      return session
    },
    time: async (sessions, feeds, options) => ({
      milliseconds: await process.ask({
        kind: 'time',
        sessions: sessions.map(numberOf),
        feeds: feeds as readonly WireValues[],
        options,
      }),
    }),
    close,
  }
}

let shared: { readonly process: WebProcess; holders: number } | undefined

/** The process that somebody has open, or a new one; it ends when the last one closes it. */
function sharedProcess(): { readonly process: WebProcess; readonly close: () => Promise<void> } {
  shared ??= { process: new WebProcess(), holders: 0 }
  const held = shared
  held.holders++
  let open = true
  const close = async () => {
    if (open) held.holders--
    open = false
    if (held.holders > 0) return
    if (shared === held) shared = undefined
    await held.process.close()
  }
  return { process: held.process, close }
}

/** The version that is installed. */
function webVersion(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve('onnxruntime-web')
    const { version } = JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8')) as {
      version: string
    }
    return version
  } catch {
    return undefined
  }
}

interface Waiting {
  readonly kind: ProcessRequest['kind']
  readonly resolve: (value: Replies[keyof Replies]) => void
  readonly reject: (error: Error) => void
}

/** Requests and replies over the channel of a child process. */
class WebProcess {
  #child: ChildProcess | undefined
  #next = 1
  readonly #waiting = new Map<number, Waiting>()

  ask<K extends ProcessRequest['kind']>(request: Extract<ProcessRequest, { kind: K }>): Promise<Replies[K]> {
    const child = this.#start()
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, {
        kind: request.kind,
        resolve: resolve as (value: Replies[keyof Replies]) => void,
        reject,
      })
      child.send({ id, request }, (error) => {
        if (error) this.#fail(child, error.message)
      })
    })
  }

  async close(): Promise<void> {
    const child = this.#child
    if (!child) return
    const left = new Promise((resolve) => child.once('exit', resolve))
    child.kill()
    await left
  }

  #start(): ChildProcess {
    if (this.#child) return this.#child
    const fromSource = import.meta.url.endsWith('.ts')
    const script = fileURLToPath(new URL(`./web-worker.node.${fromSource ? 'ts' : 'js'}`, import.meta.url))
    // From source (tests) it is TypeScript, and tsx must read it.
    const execArgv = fromSource ? ['--import', import.meta.resolve('tsx')] : []
    const child = fork(script, { serialization: 'advanced', execArgv })
    child.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id)
      this.#waiting.delete(reply.id)
      if (reply.ok) waiting?.resolve(reply.value)
      else if (waiting?.kind === 'open') waiting.reject(new UnsupportedError(reply.message))
      else waiting?.reject(new RuntimeFailure(reply.message))
    })
    child.on('error', (error) => this.#fail(child, error.message))
    child.on('exit', (code, signal) => this.#fail(child, signal ?? `exit code ${code}`))
    this.#child = child
    return child
  }

  #fail(child: ChildProcess, why: string): void {
    if (this.#child !== child) return
    this.#child = undefined
    for (const waiting of this.#waiting.values())
      waiting.reject(new RuntimeFailure(`the process of onnxruntime-web ended (${why})`))
    this.#waiting.clear()
  }
}
