// The guard at the entry: only this machine's own browser tab, with the token, gets in; and nothing it shows may reach out.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'

/** What the studio's own page may do: load from here, talk to here, nothing else. */
export const pagePolicy: string = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Sets the headers of every answer. Routes may set a policy of their own. */
export const safeHeaders: MiddlewareHandler = async (context, next) => {
  await next()
  const { headers } = context.res
  if (!headers.has('content-security-policy')) headers.set('content-security-policy', pagePolicy)
  headers.set('x-content-type-options', 'nosniff')
  headers.set('referrer-policy', 'no-referrer')
  headers.set('cross-origin-opener-policy', 'same-origin')
  headers.set('cross-origin-resource-policy', 'same-origin')
  headers.set('permissions-policy', 'camera=(), microphone=(), geolocation=()')
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
}

/**
 * Refuses a request that came under another name than this machine's (a foreign name that resolves to 127.0.0.1), or from
 * a page of another origin.
 */
export function sameHost(port: () => number): MiddlewareHandler {
  return async (context, next) => {
    const names = [`127.0.0.1:${port()}`, `localhost:${port()}`]
    const host = context.req.header('host') ?? ''
    if (!names.includes(host)) return context.json({ error: `this studio does not answer to the name ${host}` }, 403)
    const origin = context.req.header('origin')
    if (origin !== undefined && origin !== `http://${host}`)
      return context.json({ error: 'requests from other pages are refused' }, 403)
    const site = context.req.header('sec-fetch-site')
    // The bare page may be opened by a link from anywhere: without the token it shows nothing.
    const isPage = context.req.method === 'GET' && context.req.path === '/'
    if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isPage)
      return context.json({ error: 'requests from other pages are refused' }, 403)
    return next()
  }
}

/** Refuses a request without the token in its Authorization header. */
export function withToken(token: string): MiddlewareHandler {
  return async (context, next) => {
    const given = /^Bearer (.+)$/.exec(context.req.header('authorization') ?? '')?.[1] ?? ''
    if (!sameText(given, token))
      return context.json(
        { error: 'the token is missing or wrong; open the address that onnxpress studio printed' },
        401,
      )
    return next()
  }
}

/** Compares without telling by its time how far two texts are alike. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
