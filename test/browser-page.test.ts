// The page without a server, in a real Chromium, served by a server that knows nothing of it: drop, quantise, take home, compare.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { writeModelFile } from '../src/onnx/index.node.ts'
import { built } from './support/built.ts'
import { faultsOf, launchChromium, noChromium, type StaticServer, serveFolder } from './support/chromium.ts'
import { commandLine } from './support/command-line.ts'
import { tinyModel } from './support/tiny-model.ts'

describe('the page without a server', { skip: noChromium }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-browser-'))
  const at = (...names: string[]): string => join(folder, ...names)
  let server: StaticServer
  let browser: Browser
  let context: BrowserContext
  const foreign: string[] = []
  const sent: string[] = []
  const complaints: string[] = []
  const pictures: { name: string; mimeType: string; buffer: Buffer }[] = []

  const line = commandLine({ cwd: folder })
  const onnxpress = async (...words: string[]): Promise<void> => {
    const { status, stderr } = await line.run(...words, '--quiet')
    assert.equal(status, 0, stderr)
  }

  before(async () => {
    await built()
    const block = 'Conv 3x3 8->8 pads=1,1,1,1 -> BatchNormalization -> Clip number(0) number(6)'
    const drawing = `x[N,3,16,16] -> Conv 3x3 3->8 pads=1,1,1,1 -> BatchNormalization -> Relu -> ${block} -> ${block} -> Conv 1x1 8->4 -> y`
    await writeModelFile(tinyModel(drawing), at('tiny.onnx'))
    const { default: sharp } = await import('sharp')
    for (let n = 0; n < 12; n++) {
      const pixels = Uint8Array.from({ length: 24 * 20 * 3 }, (_, i) => (i * (n + 3) * 7 + (i >> (n % 5))) & 255)
      const buffer = await sharp(pixels, { raw: { width: 24, height: 20, channels: 3 } })
        .png()
        .toBuffer()
      pictures.push({ name: `picture${n}.png`, mimeType: 'image/png', buffer })
    }
    server = await serveFolder('dist/browser')
    browser = await launchChromium()
    context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, acceptDownloads: true })
    const { origin } = new URL(server.url)
    context.on('request', (request) => {
      const url = new URL(request.url())
      if (url.protocol !== 'data:' && url.origin !== origin) foreign.push(request.url())
      if (request.method() !== 'GET') sent.push(`${request.method()} ${request.url()}`)
    })
    context.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    context.on('weberror', (error) => complaints.push(error.error().message))
  })
  after(async () => {
    line.close()
    await browser?.close()
    await server?.close()
    rmSync(folder, { recursive: true })
  })

  const open = async (): Promise<Page> => {
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    await page.goto(server.url)
    await page.getByRole('heading', { name: 'Open a model' }).waitFor()
    return page
  }
  let first: Promise<Page> | undefined
  /** A page whose worker has compiled WebAssembly already, at its start. */
  const home = async (): Promise<Page> => {
    first ??= open()
    const page = await first
    await page.getByRole('link', { name: 'Models and runs' }).click()
    await page.getByRole('heading', { name: 'Open a model' }).waitFor()
    return page
  }
  const drop = (page: Page, files: Parameters<ReturnType<Page['locator']>['setInputFiles']>[0]): Promise<void> =>
    page.locator('input[type=file]').setInputFiles(files)
  const json = (name: string, value: unknown) => ({
    name,
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify(value)),
  })
  const start = async (page: Page): Promise<void> => {
    await page.getByText(/^onnxpress quantize /).waitFor()
    await page.getByRole('button', { name: 'Start' }).click()
    await page.waitForURL(/#\/run\//)
    await page.locator('.card .state.done').first().waitFor()
  }
  const download = async (page: Page, button: string): Promise<{ readonly name: string; readonly bytes: Buffer }> => {
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: button, exact: true }).click(),
    ])
    return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) }
  }

  it('weighs less than 400 KB without the WebAssembly runtime', () => {
    const files = readdirSync('dist/browser', { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    )
    const weights = files.map(
      ({ parentPath, name }) => [name, gzipSync(readFileSync(join(parentPath, name))).length] as const,
    )
    const bytes = weights.filter(([name]) => extname(name) !== '.wasm').reduce((sum, [, size]) => sum + size, 0)
    assert.ok(bytes < 400_000, `${bytes} bytes`)
    assert.equal(weights.length - weights.filter(([name]) => extname(name) !== '.wasm').length, 1)
  })

  it('shows a dropped model, its costs, and the pictures of a layer', async () => {
    const page = await home()
    await drop(page, at('tiny.onnx'))
    await page.getByRole('heading', { name: 'tiny.onnx' }).waitFor()
    await page.getByText(/4 layers · .* MACs/).waitFor()
    await page.locator('table button.link').first().click()
    await page.locator('.pictures svg[aria-label^="Weight ranges of"]').first().waitFor({ state: 'attached' })
  })

  it('quantises with pictures, and its recipe gives the same bytes on the command line', async () => {
    const page = await home()
    await drop(page, at('tiny.onnx'))
    await page.getByRole('heading', { name: 'tiny.onnx' }).waitFor()
    await page.getByRole('link', { name: 'Quantise' }).click()
    await drop(page, pictures)
    await start(page)
    const frame = page.frameLocator('iframe')
    await frame.getByRole('heading', { name: 'Weight ranges' }).waitFor()
    // Neither the time nor the kernels are known here, and nothing pretends that they are.
    assert.doesNotMatch(await frame.locator('body').innerText(), /\d ms|layers run in integers|of \d+ integer/)
    const model = await download(page, 'Download model')
    assert.equal(model.name, 'tiny.int8.onnx')
    const recipe = await download(page, 'Download recipe with statistics')
    writeFileSync(at(recipe.name), recipe.bytes)
    await onnxpress('run', recipe.name)
    assert.ok(readFileSync(at('tiny.int8.onnx')).equals(model.bytes), 'the command line made another file')
  })

  const recipes: readonly (readonly [name: string, words: readonly string[]])[] = [
    ['the usual techniques', []],
    ['every technique, caps of their own', ['--keep', 'always', '--clip', 'exact', '--effort', 'high']],
    ['one scale a weight, ranges by entropy', ['--weights', 'per-tensor', '--range', 'entropy']],
    ['4 bits', ['--weight-bits', '4', '--keep-8bit', 'none']],
  ]
  for (const [name, words] of recipes) {
    it(`makes the same bytes as the command line from stored statistics: ${name}`, async () => {
      await onnxpress('quantize', 'tiny.onnx', '--data', 'random', '--samples', '16', ...words, '--run', 'run')
      const { output: _, ...recipe } = JSON.parse(readFileSync(at('run', 'recipe.json'), 'utf8'))
      const statistics = JSON.parse(readFileSync(at('run', 'statistics.json'), 'utf8'))
      const page = await home()
      await drop(page, [
        { name: 'tiny.onnx', mimeType: 'application/octet-stream', buffer: readFileSync(at('tiny.onnx')) },
        json('recipe.json', { ...recipe, data: 'none', statistics }),
      ])
      await page.getByText('From the recipe as it was written: statistics').waitFor()
      await start(page)
      const { bytes } = await download(page, 'Download model')
      assert.ok(readFileSync(at('run', 'model.onnx')).equals(bytes), 'the page made another file')
    })
  }

  it('makes the same bytes from what BatchNormalization knew, where the engines round exp and log differently', async () => {
    const preprocess = { scale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }
    writeFileSync(
      at('none.json'),
      JSON.stringify({ command: 'quantize', model: 'tiny.onnx', data: 'none', preprocess }),
    )
    await onnxpress('run', 'none.json', '--run', 'none')
    const page = await home()
    await drop(page, [
      { name: 'tiny.onnx', mimeType: 'application/octet-stream', buffer: readFileSync(at('tiny.onnx')) },
      { name: 'none.json', mimeType: 'application/json', buffer: readFileSync(at('none.json')) },
    ])
    await start(page)
    const { bytes } = await download(page, 'Download model')
    assert.ok(readFileSync(at('none', 'model.onnx')).equals(bytes), 'the page made another file')
  })

  it('stops when it is asked to, and says so', async () => {
    const page = await open()
    await drop(page, at('tiny.onnx'))
    await page.getByRole('link', { name: 'Quantise' }).click()
    await page.getByRole('button', { name: 'Use random inputs' }).click()
    await page.getByRole('spinbutton', { name: 'Samples' }).fill('60')
    await page.getByRole('button', { name: 'Start' }).click()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.locator('.card .state.cancelled').first().waitFor()
    await page.close()
  })

  it('says in one sentence what it cannot do', async () => {
    const page = await open()
    await page.getByText('What this page cannot do').click()
    for (const word of ['integers is not checked', 'Speed is not measured', 'no disk', 'byte for byte'])
      await page.getByText(word).waitFor()
    await drop(page, json('compress.json', { command: 'compress', model: 'tiny.onnx', data: 'random', macs: [0.5] }))
    await page.getByText('compress needs the command line').first().waitFor()
    await page.getByRole('link', { name: 'Models and runs' }).click()
    await page.getByRole('heading', { name: 'Open a model' }).waitFor()
    await drop(page, { name: 'broken.onnx', mimeType: 'application/octet-stream', buffer: Buffer.from('no model') })
    await page.getByText(/broken\.onnx.*ONNX/).waitFor()
    await page.close()
  })

  it('is stopped by its own policy when something in it would reach out, in the worker too', async () => {
    const page = await open()
    const tryIt = `fetch('http://127.0.0.2:9/').then(() => 'reached', (error) => String(error))`
    assert.match(await page.evaluate<string>(tryIt), /Failed to fetch/)
    const heard = page.evaluate<string>(
      `new Promise((found) => document.addEventListener('securitypolicyviolation', (event) => found(event.violatedDirective)))`,
    )
    await page.evaluate(`fetch('http://127.0.0.2:9/').catch(() => {})`)
    assert.equal(await heard, 'connect-src')
    const [worker] = page.workers()
    assert.ok(worker, 'there is no worker')
    const inWorker = `new Promise((found) => {
      addEventListener('securitypolicyviolation', (event) => found(event.violatedDirective))
      fetch('http://127.0.0.2:9/').then(() => found('reached'), () => {})
    })`
    assert.equal(await worker.evaluate<string>(inWorker), 'connect-src')
    await page.close()
    complaints.splice(0)
    foreign.splice(0)
  })

  for (const [width, scheme] of [
    [390, 'light'],
    [1440, 'dark'],
  ] as const) {
    it(`is accessible and does not scroll sideways: ${width} pixels, ${scheme}`, async () => {
      const page = await open()
      await page.setViewportSize({ width, height: 900 })
      await page.emulateMedia({ colorScheme: scheme })
      await page.getByText('What this page cannot do').click()
      assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'scrolls sideways')
      assert.deepEqual(await faultsOf(page), [])
      await drop(page, at('tiny.onnx'))
      await page.getByRole('heading', { name: 'tiny.onnx' }).waitFor()
      assert.deepEqual(await faultsOf(page), [])
      await page.close()
    })
  }

  it('asked nobody but its own server, sent nothing, and broke none of its own rules', () => {
    assert.deepEqual(foreign, [])
    assert.deepEqual(sent, [])
    assert.deepEqual(complaints, [])
  })
})
