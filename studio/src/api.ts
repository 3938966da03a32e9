// Talking to the server: every request carries the token, every failure becomes an Error with the server's sentence.

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

/** GET as JSON. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await send(path, signal ? { signal } : {})).json() as Promise<T>
}

/** POST of JSON, answered by JSON. */
export async function post<T>(path: string, value: unknown, signal?: AbortSignal): Promise<T> {
  const init = { method: 'POST', body: JSON.stringify(value), headers: { 'content-type': 'application/json' } }
  return (await send(path, { ...init, ...(signal ? { signal } : {}) })).json() as Promise<T>
}

/** Sends a dropped file and returns its path on the server's side. */
export async function upload(file: File, group: string): Promise<string> {
  const name = file.name.replace(/[^\w .()+-]/g, '_')
  const query = `name=${encodeURIComponent(name)}&group=${encodeURIComponent(group)}`
  const answer = await send(`upload?${query}`, { method: 'POST', body: file })
  return ((await answer.json()) as { path: string }).path
}

/** Listens to server-sent events until `signal` is aborted; comes back after a break. */
export async function listen(
  hear: (event: string, data: unknown) => void,
  onState: (connected: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
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
