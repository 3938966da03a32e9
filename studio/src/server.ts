// The back end that is a server on this machine: every request carries the token, every failure its sentence.
import type { BackEnd } from './api.ts'

const key = 'onnxpress-token'

/** Takes the token out of the address, where it arrived, and keeps it for this tab only. */
export function takeToken(): string | undefined {
  const given = /[#&]token=([\w-]+)/.exec(location.hash)?.[1]
  if (given !== undefined) {
    sessionStorage.setItem(key, given)
    history.replaceState(null, '', `${location.pathname}#/`)
  }
  return sessionStorage.getItem(key) ?? undefined
}

async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { ...init.headers, authorization: `Bearer ${sessionStorage.getItem(key) ?? ''}` }
  let answer: Response
  try {
    answer = await fetch(`/api/${path}`, { ...init, headers })
  } catch {
    throw new Error('the studio does not answer; is it still running in its terminal?')
  }
  if (answer.ok) return answer
  const body: unknown = await answer.json().catch(() => undefined)
  const said = typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : answer.statusText
  throw new Error(said)
}

/** The server that this page came from. */
export const server: BackEnd = {
  ask: async (path, { body, signal }) => {
    const init: RequestInit =
      body === undefined
        ? {}
        : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    return (await send(path, { ...init, ...(signal ? { signal } : {}) })).json()
  },
  upload: async (file, group) => {
    const name = file.name.replace(/[^\w .()+-]/g, '_')
    const query = `name=${encodeURIComponent(name)}&group=${encodeURIComponent(group)}`
    const answer = await send(`upload?${query}`, { method: 'POST', body: file })
    return ((await answer.json()) as { path: string }).path
  },
  /** Comes back after a break. */
  listen: async (hear, onState, signal) => {
    while (!signal.aborted) {
      try {
        const answer = await send('events', { signal })
        onState(true)
        await readEvents(answer, hear)
      } catch {
        // The break is shown; the next try follows.
      }
      onState(false)
      await new Promise((resolve) => setTimeout(resolve, 1500))
    }
  },
}

async function readEvents(answer: Response, hear: (event: string, data: unknown) => void): Promise<void> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (reader === undefined) return
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    text += value
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1] ?? 'message'
      const data = /^data: (.*)$/m.exec(block)?.[1] ?? 'null'
      hear(event, JSON.parse(data))
    }
  }
}
