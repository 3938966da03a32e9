// What the page asks its back end: a server on this machine, or a worker beside the page. Failures are one sentence each.

/** Where the page's questions go. */
export interface BackEnd {
  /** Answers a question by its path, as JSON; with `body` it may change something. */
  readonly ask: (path: string, options: { readonly body?: unknown; readonly signal?: AbortSignal }) => Promise<unknown>
  /** Hands over a file and returns its path on the other side. */
  readonly upload: (file: File, group: string) => Promise<string>
  /** Hears news until `signal` is aborted. */
  readonly listen: (
    hear: (event: string, data: unknown) => void,
    onState: (connected: boolean) => void,
    signal: AbortSignal,
  ) => Promise<void>
}

let backEnd: BackEnd | undefined

/** Names the back end, once, before the page is drawn. */
export function connectTo(other: BackEnd): void {
  backEnd = other
}

function connected(): BackEnd {
  if (backEnd === undefined) throw new Error('the page has no back end yet')
  return backEnd
}

/** A question. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return connected().ask(path, signal ? { signal } : {}) as Promise<T>
}

/** A request that may change something. */
export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return connected().ask(path, { body, ...(signal ? { signal } : {}) }) as Promise<T>
}

/** Hands over a dropped file and returns its path there. */
export async function upload(file: File, group: string): Promise<string> {
  return connected().upload(file, group)
}

/** Hears news of the runs. */
export function listen(...words: Parameters<BackEnd['listen']>): Promise<void> {
  return connected().listen(...words)
}
