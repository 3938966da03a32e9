// The routes of the studio. Everything below /api wants the token; /open works with a ticket that /api gave.
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { InputError, messageOf, OnnxpressError, UsageError } from '../base/index.ts'
import { commandLineOf, recipeJsonSchema } from '../pipeline/index.ts'
import type { Folders } from './confine.node.ts'
import { eventStream } from './event-stream.node.ts'
import { listFiles } from './files.node.ts'
import { safeHeaders, sameHost, withToken } from './guard.node.ts'
import type { SessionMessage } from './messages.ts'
import { viewCosts, viewLayer, viewModel, viewTimes } from './model-view.node.ts'
import type { Runs } from './runs.node.ts'
import type { Tickets } from './tickets.ts'
import { saveUpload } from './upload.node.ts'

/** What a ticket opens. */
export interface Opened {
  readonly file: string
  readonly as: 'page' | 'download'
}

export interface AppParts {
  readonly token: string
  readonly port: () => number
  readonly version: string
  readonly folders: Folders
  readonly runs: Runs
  readonly tickets: Tickets<Opened>
  /** The built page; undefined serves the API alone. */
  readonly pages: Hono | undefined
  readonly uploadBytes: number
  /** Aborted when the server closes: open streams end then. */
  readonly closing: AbortSignal
}

/** Bytes of a JSON body at most. */
const jsonBytes = 1 << 20

/** The whole application. */
export function makeApp(parts: AppParts): Hono {
  const app = new Hono()
  app.use(safeHeaders)
  app.use(sameHost(parts.port))
  app.route('/api', api(parts))
  app.get('/open/:ticket', (context) => open(parts, context.req.param('ticket')))
  if (parts.pages) app.route('/', parts.pages)
  app.notFound((context) => context.json({ error: 'there is nothing here' }, 404))
  app.onError((error, context) => {
    const status = error instanceof OnnxpressError ? statusOf(error) : 500
    // What is not an error of this package may tell of the machine: the terminal gets it, the page does not.
    if (status === 500) console.error(error)
    return context.json(
      { error: status === 500 ? 'the studio failed; its terminal says more' : messageOf(error) },
      status,
    )
  })
  return app
}

function statusOf(error: OnnxpressError): 400 | 403 | 413 | 422 {
  if (error instanceof UsageError) return error.code === 'outside-folders' ? 403 : 400
  return error.exitCode === 6 ? 413 : 422
}

function api(parts: AppParts): Hono {
  const { folders, runs } = parts
  const app = new Hono()
  app.use(withToken(parts.token))
  const small = bodyLimit({
    maxSize: jsonBytes,
    onError: (context) => context.json({ error: 'the request is too large' }, 413),
  })
  app.get('/session', (context) => {
    const { version } = parts
    const schema = recipeJsonSchema()
    return context.json({
      place: 'server',
      version,
      folders: folders.roots,
      schema,
      limits: [],
    } satisfies SessionMessage)
  })
  app.get('/files', async (context) => context.json(await listFiles(folders, context.req.query('path') ?? '.')))
  app.get('/model', async (context) => context.json(await viewModel(pathOf(folders, context.req.query('path')))))
  app.get('/model/costs', async (context) => context.json(await viewCosts(pathOf(folders, context.req.query('path')))))
  app.get('/model/layer', async (context) =>
    context.json(await viewLayer(pathOf(folders, context.req.query('path')), context.req.query('name') ?? '')),
  )
  // It runs the model for a while: a person asks for it, a page does not.
  app.post('/model/times', small, async (context) => {
    const body = await bodyOf(context.req.raw)
    const path = typeof body === 'object' && body !== null && 'path' in body ? String(body.path) : undefined
    return context.json(await viewTimes(pathOf(folders, path)))
  })
  app.post('/recipe', small, async (context) => {
    const recipe = runs.check(await bodyOf(context.req.raw))
    return context.json({ recipe, commandLine: commandLineOf(recipe) })
  })
  addRunRoutes(app, parts, small)
  app.post('/upload', async (context) => {
    const { name = '', group = '' } = context.req.query()
    const limits = { folder: join(runs.home, 'uploads'), mostBytes: parts.uploadBytes }
    const declared = Number(context.req.header('content-length') ?? 0)
    if (declared > parts.uploadBytes)
      return context.json(
        {
          error: `${name} is larger than ${parts.uploadBytes} bytes, the most that can be dropped; type its path instead`,
        },
        413,
      )
    return context.json({ path: await saveUpload(context.req.raw.body, name, group, limits) }, 201)
  })
  app.get('/events', (context) => eventStream(context, (listener) => runs.subscribe(listener), parts.closing))
  return app
}

/** Runs: their list, one of them, its report, and what can be done with it. */
function addRunRoutes(app: Hono, parts: AppParts, small: MiddlewareHandler): void {
  const { runs, tickets } = parts
  app.get('/runs', async (context) => {
    await runs.look()
    return context.json(runs.list())
  })
  app.post('/runs', small, async (context) => context.json(await runs.add(await bodyOf(context.req.raw)), 201))
  app.get('/runs/:id', async (context) => {
    const id = context.req.param('id')
    return context.json({
      run: runs.get(id),
      events: await runs.events(id),
      result: await resultOf(runs.get(id).folder),
    })
  })
  app.get('/runs/:id/report', async (context) => {
    const file = await readFile(join(runs.get(context.req.param('id')).folder, 'report.json'), 'utf8').catch(
      () => undefined,
    )
    if (file === undefined) throw new InputError('this run has no report')
    return context.body(file, 200, { 'content-type': 'application/json' })
  })
  app.post('/runs/:id/cancel', async (context) => {
    await runs.cancel(context.req.param('id'))
    return context.json({})
  })
  app.post('/runs/:id/resume', async (context) => context.json(await runs.resume(context.req.param('id'))))
  app.post('/runs/:id/ticket', small, async (context) => {
    const body = await bodyOf(context.req.raw)
    const what = typeof body === 'object' && body !== null && 'what' in body ? body.what : undefined
    return context.json({ path: `/open/${tickets.issue(toOpen(parts, context.req.param('id'), what))}` })
  })
}

function pathOf(folders: Folders, path: string | undefined): string {
  if (path === undefined || path === '') throw new UsageError('a path is needed')
  return folders.confine(path)
}

async function bodyOf(request: Request): Promise<unknown> {
  if (!/^application\/json\b/.test(request.headers.get('content-type') ?? ''))
    throw new UsageError('the request must be JSON')
  try {
    return await request.json()
  } catch {
    throw new UsageError('the request is not JSON')
  }
}

/** What the command printed with --json, for commands without a report. */
async function resultOf(folder: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(folder, 'result.json'), 'utf8'))
  } catch {
    return null
  }
}

function toOpen({ runs, folders }: AppParts, id: string, what: unknown): Opened {
  const { folder, output, hasReport } = runs.get(id)
  if (what === 'report' && hasReport) return { file: join(folder, 'report.html'), as: 'page' }
  // A recipe may name any output: it is handed out only from inside the folders.
  if (what === 'model' && output !== undefined) return { file: folders.confine(output), as: 'download' }
  throw new InputError(`this run has no ${what === 'model' ? 'model' : 'report'} to open`)
}

/** A report's page brings its own policy: nothing but its own style and script, named by their hashes. */
async function open({ tickets }: AppParts, ticket: string): Promise<Response> {
  const opened = tickets.redeem(ticket)
  if (opened === undefined) return Response.json({ error: 'this link has been used, or is too old' }, { status: 404 })
  if (opened.as === 'page') {
    const page = await readFile(opened.file, 'utf8')
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1]?.replaceAll('&#39;', "'")
    return new Response(page, {
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': `${policy ?? "default-src 'none'; style-src 'unsafe-inline'"}; sandbox allow-scripts allow-popups; frame-ancestors 'self'`,
      },
    })
  }
  const { size } = await stat(opened.file)
  const name = basename(opened.file).replace(/[^\w.-]/g, '_')
  return new Response(Readable.toWeb(createReadStream(opened.file)) as ReadableStream<Uint8Array>, {
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(size),
      'content-disposition': `attachment; filename="${name}"`,
    },
  })
}
