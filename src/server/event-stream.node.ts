// News of the runs as server-sent events. Ends when the page goes away.
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { RunNews } from './messages.ts'

/** Milliseconds between two signs of life, so that a dead connection is noticed. */
const beatMs = 15_000

/** Streams news until the client leaves. The first event says that the stream is open. */
export function eventStream(
  context: Context,
  subscribe: (listener: (news: RunNews) => void) => () => void,
  closing: AbortSignal,
): Response {
  return streamSSE(context, async (stream) => {
    const waiting: RunNews[] = []
    let wake = (): void => {}
    const leave = subscribe((news) => {
      waiting.push(news)
      wake()
    })
    const end = (): void => wake()
    stream.onAbort(end)
    closing.addEventListener('abort', end)
    try {
      await stream.writeSSE({ event: 'open', data: '{}' })
      while (!stream.aborted && !closing.aborted) {
        const news = waiting.shift()
        if (news !== undefined) {
          await stream.writeSSE({ event: news.type, data: JSON.stringify(news) })
          continue
        }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, beatMs)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
        if (waiting.length === 0 && !stream.aborted && !closing.aborted)
          await stream.writeSSE({ event: 'beat', data: '{}' })
      }
    } finally {
      leave()
      closing.removeEventListener('abort', end)
    }
  })
}
