// The process in which onnxruntime-web computes, one request after the other.
import fs from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { messageOf } from '../base/index.ts'
import { dropBytes } from './drop-bytes.node.ts'
import type { ProcessRequest, Replies } from './messages.ts'
import type { Session } from './session.ts'
import { type WebModule, webRuntime } from './web-runtime.ts'

// ONNX Runtime has no files in WebAssembly: it prints a profile. Nothing else in this process prints for anybody.
const printed: string[] = []
fs.writeSync = ((_file: number, text: string) => printed.push(text)) as typeof fs.writeSync

const ort: WebModule = await import('onnxruntime-web')
const runtime = webRuntime(ort, {
  profiled: async (prefix, end) => {
    printed.splice(0)
    end()
    await writeFile(`${prefix}.json`, printed.splice(0).join(''))
  },
})
const sessions = new Map<number, Session>()
let next = 1

function sessionOf(number: number): Session {
  const session = sessions.get(number)
  if (!session) throw new Error('the session was closed before')
  return session
}

async function handle(request: ProcessRequest): Promise<Replies[keyof Replies]> {
  switch (request.kind) {
    case 'open': {
      const bytes = await readFile(request.file)
      const session = await runtime.open(bytes, request.options).finally(() => dropBytes(bytes))
      const number = next++
      sessions.set(number, session)
      const { inputs, outputs, outputTypes } = session
      const { version, notes } = runtime
      const note = notes.splice(0)[0]
      return { session: number, inputs: [...inputs], outputs: [...outputs], outputTypes, version, note }
    }
    case 'run':
      return await sessionOf(request.session).run(request.feeds)
    case 'time': {
      const { milliseconds } = await runtime.time(request.sessions.map(sessionOf), request.feeds, request.options)
      return milliseconds.map((times) => [...times])
    }
    case 'close': {
      const session = sessionOf(request.session)
      sessions.delete(request.session)
      await session.close()
      return null
    }
  }
}

process.on('message', async ({ id, request }: { id: number; request: ProcessRequest }) => {
  try {
    process.send?.({ id, ok: true, value: await handle(request) })
  } catch (error) {
    process.send?.({ id, ok: false, message: messageOf(error) })
  }
})
// Ctrl-C reaches the whole group of processes: the one that asks decides. Without it there is nothing left to do.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
