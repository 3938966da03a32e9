// Starting and ending the studio.
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { UsageError } from '../base/index.ts'
import { spawnRuns } from '../jobs/index.node.ts'
import type { StartFolder } from '../jobs/index.ts'
import { makeApp } from './app.node.ts'
import { Folders } from './confine.node.ts'
import { pages } from './pages.node.ts'
import { Runs } from './runs.node.ts'
import { makeTickets } from './tickets.ts'

export interface StudioOptions {
  /** Folders that the page may look into; new runs go into the first. */
  readonly folders: readonly string[]
  /** 0 takes any free port. */
  readonly port: number
  /** The script of the command line, which does the runs. */
  readonly script: string
  /** The built page. */
  readonly page: string
  readonly version: string
  /** The largest file that can be dropped on the page; 1 GB by default. */
  readonly uploadBytes?: number
  /** Starts prepared runs in another way; for tests. */
  readonly start?: StartFolder
}

export interface Studio {
  /** The address of the page, with its token. */
  readonly url: string
  readonly port: number
  readonly token: string
  /** Stops the current run, ends streams, and lets the port go. */
  readonly close: () => Promise<void>
}

const random = (): string => randomBytes(24).toString('base64url')

/**
 * Opens the studio on 127.0.0.1.
 * @throws UsageError when a folder is missing or the port is taken
 */
export async function startStudio(options: StudioOptions): Promise<Studio> {
  if (!(options.port >= 0 && options.port <= 65535))
    throw new UsageError(`${options.port} is not a port: it must be 0 (any free one) to 65535`)
  const folders = new Folders(options.folders)
  const runs = new Runs({ folders, start: options.start ?? spawnRuns({ script: options.script }) })
  const closing = new AbortController()
  const token = random()
  let port = options.port
  const app = makeApp({
    token,
    port: () => port,
    version: options.version,
    folders,
    runs,
    tickets: makeTickets({ random }),
    pages: existsSync(options.page) ? pages(options.page) : undefined,
    uploadBytes: options.uploadBytes ?? 1e9,
    closing: closing.signal,
  })
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: options.port })
  port = await new Promise<number>((resolve, reject) => {
    server.once('listening', () => resolve((server.address() as AddressInfo).port))
    server.once('error', (error) => reject(new UsageError(`cannot listen on port ${options.port}: ${error.message}`)))
  })
  void runs.begin()
  return {
    url: `http://127.0.0.1:${port}/#token=${token}`,
    port,
    token,
    async close() {
      closing.abort()
      await runs.close()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
    },
  }
}
