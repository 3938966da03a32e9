// The built page: its files are read once at start, so that no request ever names a path on disk.
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Hono } from 'hono'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Serves the files of a folder by their names; `/` is its index.html. */
export function pages(folder: string): Hono {
  const app = new Hono()
  for (const name of readdirSync(folder, { recursive: true }).map(String)) {
    const type = types[extname(name)]
    if (type === undefined) continue
    const body = readFileSync(join(folder, name))
    const packed = gzipSync(body, { level: 9 })
    const path = name.replaceAll('\\', '/')
    // Names of assets hold a hash of their content.
    const cache = path.startsWith('assets/') ? 'private, max-age=31536000, immutable' : 'no-store'
    app.get(path === 'index.html' ? '/' : `/${path}`, (context) => {
      const gzip = /\bgzip\b/.test(context.req.header('accept-encoding') ?? '')
      context.header('content-type', type)
      context.header('cache-control', cache)
      context.header('vary', 'accept-encoding')
      if (gzip) context.header('content-encoding', 'gzip')
      return context.body(new Uint8Array(gzip ? packed : body))
    })
  }
  return app
}
