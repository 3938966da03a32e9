// The back end that is a worker of this page. It has the page's own content policy: it can reach nothing but the page's files.
import type { BackEnd } from '../api.ts'
import type { TicketMessage } from '../types.ts'
import type { Answer, MadeFile, Request } from './messages.ts'
import workerUrl from './worker.ts?worker&url'

/**
 * A worker that begins from a blob inherits the policy of the page; one that is loaded from an address gets that of its file, and a
 * server of static files sends none.
 */
function startWorker(): Worker {
  const address = new URL(workerUrl, document.baseURI).href
  const start = new Blob([`import ${JSON.stringify(address)}`], { type: 'text/javascript' })
  const url = URL.createObjectURL(start)
  return new Worker(url, { type: 'module', name: 'onnxpress' })
}

/** Starts the worker. */
export function besidePage(): BackEnd {
  const worker = startWorker()
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  const listeners = new Set<(event: string, data: unknown) => void>()
  let next = 1
  let broken: string | undefined
  worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
    if (data.kind === 'news') {
      for (const hear of listeners) hear(data.event, data.data)
      return
    }
    const asked = waiting.get(data.id)
    waiting.delete(data.id)
    if (data.kind === 'answer') asked?.resolve(data.value)
    else asked?.reject(new Error(data.message))
  })
  worker.addEventListener('error', (event) => {
    broken = `the worker of this page stopped: ${event.message || 'it could not be loaded'}; load the page again`
    for (const { reject } of waiting.values()) reject(new Error(broken))
    waiting.clear()
  })
  const send = (make: (id: number) => Request, signal?: AbortSignal): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (broken !== undefined) return reject(new Error(broken))
      const id = next++
      waiting.set(id, { resolve, reject })
      signal?.addEventListener('abort', () => {
        waiting.delete(id)
        reject(new Error('no longer needed'))
      })
      worker.postMessage(make(id))
    })
  return {
    ask: async (path, { body, signal }) => {
      const value = await send((id) => ({ kind: 'ask', id, path, ...(body === undefined ? {} : { body }) }), signal)
      return isMade(value) ? ticketFor(value) : value
    },
    upload: async (file, group) => String(await send((id) => ({ kind: 'upload', id, file, group }))),
    listen: async (hear, onState) => {
      listeners.add(hear)
      onState(true)
      hear('open', {})
    },
  }
}

function isMade(value: unknown): value is MadeFile {
  return typeof value === 'object' && value !== null && 'blob' in value && value.blob instanceof Blob
}

/** A link to a file that exists only here. It is let go when nobody can be reading it any more. */
function ticketFor({ name, blob, shown }: MadeFile): TicketMessage {
  const path = URL.createObjectURL(blob)
  setTimeout(() => URL.revokeObjectURL(path), 60_000)
  return shown ? { path } : { path, name }
}
