// Every protection of the studio, attacked.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { usualReport } from '../../test/support/sample-reports.ts'
import type { StartFolder } from '../jobs/index.ts'
import { recordRun } from '../pipeline/index.node.ts'
import { renderHtml, renderJson } from '../report/index.ts'
import { type Studio, startStudio } from './start.node.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

interface Attack {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** The token is sent along unless this is false. */
  readonly token?: boolean
}

describe('the studio refuses', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-attack-'))
  const inside = join(folder, 'inside')
  const outside = join(folder, 'outside')
  const run = join(inside, 'runs', 'one')
  const never: StartFolder = () => ({ done: new Promise(() => {}), stop: () => {} })
  let studio: Studio
  before(async () => {
    for (const path of [inside, outside, run]) mkdirSync(path, { recursive: true })
    writeFileSync(join(outside, 'secret.onnx'), 'secret')
    writeFileSync(join(outside, 'secret.json'), '{}')
    symlinkSync(outside, join(inside, 'way-out'))
    symlinkSync(join(outside, 'secret.onnx'), join(inside, 'looks-fine.onnx'))
    await recordRun(run, { command: 'quantize', model: join(inside, 'm.onnx'), data: 'random' }, async () => {
      writeFileSync(join(run, 'report.json'), renderJson(usualReport))
      writeFileSync(join(run, 'report.html'), renderHtml(usualReport))
      writeFileSync(join(run, 'model.onnx'), 'the model')
    })
    const start: StartFolder = (folder) => ({ ...never(folder), done: Promise.resolve() })
    studio = await startStudio({
      folders: [inside],
      port: 0,
      script: 'none',
      page: 'none',
      version: '0',
      uploadBytes: 1000,
      start,
    })
  })
  after(async () => {
    await studio.close()
    rmSync(folder, { recursive: true })
  })

  /** A request as an attacker can shape it: any header, any path, nothing normalised. */
  const send = (path: string, attack: Attack = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const token = attack.token === false ? {} : { authorization: `Bearer ${studio.token}` }
      const headers = { ...token, ...attack.headers }
      const message = request({ host: '127.0.0.1', port: studio.port, path, method: attack.method ?? 'GET', headers })
      // A server may hang up on a body that it refuses before all of it was sent.
      message.on('error', (error) =>
        attack.body === undefined ? reject(error) : resolve({ status: 413, headers: {}, text: error.message }),
      )
      message.on('response', (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(chunks).toString() }),
        )
      })
      message.end(attack.body)
    })
  const post = (path: string, value: unknown, more: Attack = {}): Promise<Answer> =>
    send(path, {
      method: 'POST',
      body: JSON.stringify(value),
      ...more,
      headers: { 'content-type': 'application/json', ...more.headers },
    })
  const idOf = async (): Promise<string> => {
    const runs = JSON.parse((await send('/api/runs')).text) as { id: string; folder: string }[]
    return runs.find(({ folder }) => folder.endsWith('one'))?.id ?? ''
  }

  it('connections from other machines: it listens on 127.0.0.1 only', async (context) => {
    const other = Object.values(networkInterfaces())
      .flat()
      .find((address) => address && !address.internal && address.family === 'IPv4')
    if (!other) return context.skip('this machine has no other address to come from')
    await assert.rejects(
      new Promise((resolve, reject) =>
        connect(studio.port, other.address, () => resolve(undefined)).on('error', reject),
      ),
      /ECONNREFUSED/,
    )
  })

  it('every request below /api without the token, or with a wrong one', async () => {
    const paths = [
      'session',
      'files',
      'model?path=m.onnx',
      'model/costs',
      'model/layer',
      'runs',
      'events',
      'runs/x',
      'nothing',
    ]
    for (const path of paths) assert.equal((await send(`/api/${path}`, { token: false })).status, 401, path)
    for (const path of [
      'recipe',
      'runs',
      'upload?name=a.onnx&group=g',
      'runs/x/cancel',
      'runs/x/resume',
      'runs/x/ticket',
    ])
      assert.equal((await post(`/api/${path}`, {}, { token: false })).status, 401, path)
    for (const wrong of [`${studio.token}x`, studio.token.slice(0, -1), '', studio.token.toUpperCase()])
      assert.equal((await send('/api/runs', { headers: { authorization: `Bearer ${wrong}` } })).status, 401)
    assert.equal((await send(`/api/runs?token=${studio.token}`, { token: false })).status, 401)
    assert.equal((await send('/api/runs', { token: false, headers: { cookie: `token=${studio.token}` } })).status, 401)
    assert.equal((await send('/api/runs')).status, 200)
  })

  it('a token that can be guessed: it is long and new each time', async () => {
    assert.match(studio.token, /^[\w-]{32,}$/)
    const other = await startStudio({
      folders: [inside],
      port: 0,
      script: 'none',
      page: 'none',
      version: '0',
      start: never,
    })
    assert.notEqual(other.token, studio.token)
    assert.equal(
      (await fetch(`http://127.0.0.1:${studio.port}/api/runs`, { headers: { authorization: `Bearer ${other.token}` } }))
        .status,
      401,
    )
    await other.close()
  })

  it('foreign names that resolve to this machine', async () => {
    const port = studio.port
    for (const host of ['evil.example', `evil.example:${port}`, `127.0.0.1.evil.example:${port}`, '127.0.0.1']) {
      assert.equal((await send('/api/runs', { headers: { host } })).status, 403, host)
      assert.equal((await send('/', { headers: { host } })).status, 403, host)
    }
    assert.equal((await send('/api/runs', { headers: { host: `localhost:${studio.port}` } })).status, 200)
  })

  it('requests that pages of other origins make, even with the token', async () => {
    const origins = [
      'https://evil.example',
      'null',
      `http://127.0.0.1:${studio.port + 1}`,
      `https://127.0.0.1:${studio.port}`,
    ]
    for (const origin of origins) {
      assert.equal((await post('/api/recipe', {}, { headers: { origin } })).status, 403, origin)
      assert.equal((await send('/api/runs', { headers: { origin } })).status, 403, origin)
    }
    for (const site of ['cross-site', 'same-site'])
      assert.equal((await send('/api/runs', { headers: { 'sec-fetch-site': site } })).status, 403, site)
    const own = await send('/api/runs', { headers: { origin: `http://127.0.0.1:${studio.port}` } })
    assert.equal(own.status, 200)
    assert.equal(own.headers['access-control-allow-origin'], undefined)
    assert.equal((await send('/api/runs', { method: 'OPTIONS', token: false })).status, 401)
  })

  it('forms of other pages: a body that is not JSON', async () => {
    const body = JSON.stringify({ command: 'quantize', model: 'm.onnx', data: 'random' })
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
      assert.equal((await post('/api/runs', {}, { body, headers: { 'content-type': type } })).status, 400, type)
  })

  it('paths that lead out of the folders: dots, absolute ones, symbolic links, zero bytes', async () => {
    const paths = [
      '..',
      '../outside',
      join(outside),
      '/etc',
      '/',
      'way-out',
      'way-out/deeper/..',
      `${inside}/../outside`,
      `${inside}-evil`,
      'a/../../outside',
      'x\0/../..',
    ]
    for (const path of paths) {
      const { status, text } = await send(`/api/files?path=${encodeURIComponent(path)}`)
      assert.ok(status === 403 || status === 400, `${path}: ${status} ${text}`)
      assert.ok(!text.includes('secret'), text)
    }
    for (const path of ['../outside/secret.onnx', 'looks-fine.onnx', 'way-out/secret.onnx', '/etc/passwd']) {
      for (const route of ['model', 'model/costs', 'model/layer'])
        assert.equal((await send(`/api/${route}?path=${encodeURIComponent(path)}`)).status, 403, `${route} ${path}`)
    }
    assert.equal((await send('/api/files?path=.')).status, 200)
  })

  it('recipes whose paths lead out, in any field', async () => {
    const good = { command: 'quantize', model: 'm.onnx', data: 'random' }
    assert.equal((await post('/api/recipe', good)).status, 200)
    const bad: Record<string, unknown>[] = [
      { model: '../outside/secret.onnx' },
      { model: 'looks-fine.onnx' },
      { data: outside },
      { data: 'way-out' },
      { labels: '/etc/passwd' },
      { val: '../outside' },
      { preprocess: join(outside, 'secret.json') },
      { output: join(outside, 'stolen.onnx') },
      { output: '/etc/cron.d/x' },
      { exclude: [join(outside, 'secret.json')] },
    ]
    for (const fields of bad) {
      for (const route of ['recipe', 'runs']) {
        const { status, text } = await post(`/api/${route}`, { ...good, ...fields })
        assert.equal(status, 403, `${route} ${JSON.stringify(fields)}: ${text}`)
      }
    }
    assert.equal((await post('/api/recipe', { ...good, exclude: ['/model/conv1', 'conv*'] })).status, 200)
    assert.ok(!existsSync(join(outside, 'stolen.onnx')))
  })

  it('requests without end: bodies, uploads that say how long they are, and uploads that do not', async () => {
    const large = 'x'.repeat(2 << 20)
    assert.equal((await post('/api/runs', { command: large })).status, 413)
    const upload = (body: Uint8Array, headers = {}): Promise<Answer> =>
      send('/api/upload?name=a.onnx&group=g', { method: 'POST', body, headers })
    assert.equal((await upload(new Uint8Array(1001))).status, 413)
    assert.equal((await upload(new Uint8Array(5000), { 'transfer-encoding': 'chunked' })).status, 413)
    const uploads = join(inside, '.onnxpress', 'uploads', 'g')
    assert.deepEqual(existsSync(uploads) ? readdirSync(uploads) : [], [], 'nothing is left of what was too large')
    assert.equal((await send('/api/runs')).status, 200, 'it lives on')
    assert.equal((await upload(new Uint8Array(1000))).status, 201)
    assert.deepEqual(readdirSync(uploads), ['a.onnx'])
  })

  it('uploads under names that lead elsewhere, or that could be run', async () => {
    const names = [
      '../a.onnx',
      '..',
      '/etc/x.onnx',
      'a/b.onnx',
      'a\\b.onnx',
      '.hidden.onnx',
      'x.mjs',
      'x.js',
      'x.sh',
      'a.onnx\0',
      '',
    ]
    for (const name of names) {
      const query = `name=${encodeURIComponent(name)}&group=h`
      assert.equal((await send(`/api/upload?${query}`, { method: 'POST', body: 'x' })).status, 400, name)
    }
    for (const group of ['..', 'a/b', '', '.'])
      assert.equal(
        (await send(`/api/upload?name=a.onnx&group=${encodeURIComponent(group)}`, { method: 'POST', body: 'x' }))
          .status,
        400,
      )
    assert.ok(!existsSync(join(inside, '.onnxpress', 'uploads', 'h')))
  })

  it('links without a ticket, used twice, or made up', async () => {
    const id = await idOf()
    const ticket = await post(`/api/runs/${id}/ticket`, { what: 'model' })
    const { path } = JSON.parse(ticket.text) as { path: string }
    assert.equal((await send('/open/made-up', { token: false })).status, 404)
    const first = await send(path, { token: false })
    assert.equal(first.text, 'the model')
    assert.match(first.headers['content-disposition'] ?? '', /^attachment; /)
    assert.equal((await send(path, { token: false })).status, 404)
    for (const what of ['../../secret', 'recipe', '', 7])
      assert.equal((await post(`/api/runs/${id}/ticket`, { what })).status, 422, String(what))
  })

  it('to hand out a model from outside that a recipe in a folder claims as its output', async () => {
    const liar = join(inside, 'runs', 'liar')
    await recordRun(liar, { command: 'quantize', model: 'm', output: join(outside, 'secret.onnx') }, async () => {})
    const runs = JSON.parse((await send('/api/runs')).text) as { id: string; folder: string }[]
    const id = runs.find((run) => run.folder.endsWith('liar'))?.id
    assert.ok(id)
    assert.equal((await post(`/api/runs/${id}/ticket`, { what: 'model' })).status, 403)
  })

  it('to run anything but its own page: policy, frames, sniffing, referrers, caches', async () => {
    for (const path of ['/', '/api/runs', '/nothing']) {
      const { headers } = await send(path)
      const policy = String(headers['content-security-policy'])
      assert.match(policy, /default-src 'none'/)
      assert.match(policy, /frame-ancestors 'none'/)
      assert.doesNotMatch(policy, /unsafe|https?:|\*/)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(headers['referrer-policy'], 'no-referrer')
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin')
      assert.equal(headers['cache-control'], 'no-store')
    }
  })

  it('to let the page of a report do more than it says, or reach the studio', async () => {
    const { path } = JSON.parse((await post(`/api/runs/${await idOf()}/ticket`, { what: 'report' })).text) as {
      path: string
    }
    const { headers, text } = await send(path, { token: false })
    const policy = String(headers['content-security-policy'])
    assert.match(
      policy,
      /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+';.*sandbox allow-scripts/,
    )
    assert.doesNotMatch(policy, /allow-same-origin|connect-src|unsafe/)
    assert.equal(text, renderHtml(usualReport))
  })

  it('to tell of the machine when something breaks inside', async () => {
    const { status, text } = await send('/api/model?path=nothing.onnx')
    assert.equal(status, 422)
    assert.doesNotMatch(text, /at .*\(.*:\d+:\d+\)/)
  })
})
