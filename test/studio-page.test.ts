// The studio's page in a real Chromium: every page and flow, by mouse and by keyboard, narrow and wide, light and dark.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { writeModelFile } from '../src/onnx/index.node.ts'
import { prepareRun, recordEvent, writeStatus } from '../src/pipeline/index.node.ts'
import { renderHtml } from '../src/report/index.ts'
import { type Studio, startStudio } from '../src/server/index.node.ts'
import { built } from './support/built.ts'
import { faultsOf, launchChromium, noChromium } from './support/chromium.ts'
import { analysis, techniquesReport } from './support/sample-reports.ts'
import { tinyModel } from './support/tiny-model.ts'

describe('the page of the studio', { skip: noChromium }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-page-'))
  let studio: Studio
  let browser: Browser
  let context: BrowserContext
  const foreign: string[] = []
  const complaints: string[] = []
  let clicks = 0

  before(async () => {
    await built()
    // The runner's loader is for this process; the runs are the built command line.
    delete process.env['NODE_OPTIONS']
    const block = 'Conv 3x3 8->8 pads=1,1,1,1 -> BatchNormalization -> Relu'
    const drawing = `x[N,3,8,8] -> Conv 3x3 3->8 pads=1,1,1,1 -> Relu -> ${block} -> ${block} -> ${block} -> Conv 1x1 8->4 -> y`
    await writeModelFile(tinyModel(drawing), join(folder, 'tiny.onnx'))
    studio = await startStudio({
      folders: [folder],
      port: 0,
      script: resolve('bin/onnxpress.js'),
      page: resolve('dist/studio'),
      version: '0',
    })
    browser = await launchChromium()
    context = await browser.newContext({ viewport: { width: 1440, height: 1000 } })
    context.on('request', (request) => {
      const { protocol, host } = new URL(request.url())
      if (protocol !== 'data:' && host !== `127.0.0.1:${studio.port}`) foreign.push(request.url())
    })
    context.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    context.on('weberror', (error) => complaints.push(error.error().message))
  })
  after(async () => {
    await browser?.close()
    await studio?.close()
    rmSync(folder, { recursive: true })
  })

  const open = async (address = '#/'): Promise<Page> => {
    const page = await context.newPage()
    // Only what never comes takes so long; a busy machine takes its time.
    page.setDefaultTimeout(60_000)
    await page.goto(studio.url)
    await page.getByRole('heading', { name: 'Open a model' }).waitFor()
    if (address !== '#/') await goTo(page, address)
    return page
  }
  /** What runs in the page is text: this file knows Node, not the page's globals. */
  const goTo = async (page: Page, hash: string): Promise<void> => {
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
  }
  const click = async (page: Page, role: 'button' | 'link', name: string | RegExp): Promise<void> => {
    clicks++
    await page.getByRole(role, { name }).first().click()
  }
  const done = (page: Page): Promise<void> => page.locator('.card .state.done').first().waitFor()
  const api = async <T>(path: string, body?: unknown): Promise<T> => {
    const answer = await fetch(`http://127.0.0.1:${studio.port}/api/${path}`, {
      headers: { authorization: `Bearer ${studio.token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
    return (await answer.json()) as T
  }
  const runIds = async (): Promise<string[]> =>
    (await api<{ id: string; state: string; hasReport: boolean }[]>('runs'))
      .filter((run) => run.hasReport)
      .map(({ id }) => id)

  it('weighs less than 400 KB', () => {
    const files = readdirSync('dist/studio', { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const bytes = files.reduce(
      (sum, { parentPath, name }) => sum + gzipSync(readFileSync(join(parentPath, name))).length,
      0,
    )
    assert.ok(bytes < 400_000, `${bytes} bytes`)
  })

  it('takes the token out of the address, and asks for it when it is missing', async () => {
    const page = await open()
    assert.doesNotMatch(page.url(), /token/)
    const stranger = await browser.newPage()
    await stranger.goto(`http://127.0.0.1:${studio.port}/`)
    await stranger.getByRole('heading', { name: 'This page needs its token' }).waitFor()
    await stranger.goto(`http://127.0.0.1:${studio.port}/#token=wrong`)
    await stranger.reload()
    await stranger.getByText('the token is missing or wrong').waitFor()
    await stranger.close()
    await page.close()
  })

  it('leads from nothing to a quantised model with its pictures in under ten clicks', async () => {
    const page = await open()
    clicks = 0
    await click(page, 'button', 'Browse')
    await click(page, 'button', /tiny\.onnx/)
    await page.getByRole('heading', { name: 'tiny.onnx' }).waitFor()
    await click(page, 'link', 'Quantise')
    await click(page, 'button', 'Use random inputs')
    await page.getByText(/^onnxpress quantize .*tiny\.onnx --data random$/).waitFor()
    await click(page, 'button', 'Start')
    await done(page)
    await page.frameLocator('iframe').getByRole('heading', { name: 'Weight ranges' }).waitFor()
    assert.ok(clicks < 10, `${clicks} clicks`)
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download model' }).click(),
    ])
    assert.equal(download.suggestedFilename(), 'model.onnx')
    assert.ok(readFileSync(await download.path()).length > 500)
    const [report] = await Promise.all([
      context.waitForEvent('page'),
      page.getByRole('button', { name: 'Open report' }).click(),
    ])
    await report.getByRole('heading', { name: 'Weight ranges' }).waitFor()
    await report.close()
    await page.close()
  })

  it('does the same by keyboard alone', async () => {
    const page = await open('#/new?command=quantize&model=tiny.onnx')
    await page.getByLabel('Data', { exact: false }).first().waitFor()
    const tabTo = async (name: RegExp): Promise<void> => {
      for (let presses = 0; presses < 80; presses++) {
        await page.keyboard.press('Tab')
        const focused = await page.evaluate<string>(`(() => {
          const { activeElement } = document
          const label = activeElement?.id ? document.querySelector('label[for="' + activeElement.id + '"]')?.textContent : ''
          return [label ?? '', activeElement?.getAttribute('aria-label') ?? '', activeElement?.textContent ?? ''].join('|')
        })()`)
        if (name.test(focused)) return
      }
      throw new Error(`${name} cannot be reached by Tab`)
    }
    await tabTo(/^Data/)
    await page.keyboard.type('random')
    await page.getByText(/--data random$/).waitFor()
    await tabTo(/\|Start$/)
    await page.keyboard.press('Enter')
    await done(page)
    await page.close()
  })

  it('walks the graph by keyboard and shows the pictures of a layer', async () => {
    const page = await open('#/model/tiny.onnx')
    const canvas = page.locator('canvas')
    await canvas.focus()
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', '+', '-', '0', '1', 'ArrowDown'])
      await page.keyboard.press(key)
    await page.locator('.details h2').waitFor()
    await page.locator('.pictures svg[aria-label^="Weight ranges of"]').first().waitFor({ state: 'attached' })
    const painted = await page.evaluate<number>(`(() => {
      const canvas = document.querySelector('canvas')
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
      return new Set(new Uint32Array(data.buffer)).size
    })()`)
    assert.ok(painted > 5, `${painted} colours`)
    await page.close()
  })

  it('opens a layer by a click on its box, and folds and unfolds', async () => {
    const page = await open('#/model/tiny.onnx')
    await page.locator('.graph canvas').click({ position: { x: 200, y: 105 } })
    await page.getByLabel('Every node').check()
    await page.getByLabel(/^Graph of tiny\.onnx, 1\d boxes$/).waitFor()
    await page.getByLabel('Every node').uncheck()
    await page.getByLabel('Fold repeats').check()
    await page.getByLabel(/^Graph of tiny\.onnx, [45] boxes$/).waitFor()
    await page.close()
  })

  it('takes a dropped model, and refuses a dropped script in words', async () => {
    const page = await open()
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'evil.mjs', mimeType: 'text/javascript', buffer: Buffer.from('1') })
    await page.getByText('evil.mjs cannot be uploaded').waitFor()
    await page.locator('input[type=file]').setInputFiles(join(folder, 'tiny.onnx'))
    await page.getByRole('heading', { name: 'tiny.onnx' }).waitFor()
    await page.close()
  })

  it('takes files that are dropped: a model opens, pictures become the data of a run, a recipe fills its form', async () => {
    const page = await open()
    const onto = async (files: readonly { readonly name: string; readonly bytes: Buffer }[]): Promise<void> => {
      const transfer = await page.evaluateHandle(
        `(() => {
          const transfer = new DataTransfer()
          for (const { name, base64 } of ${JSON.stringify(files.map(({ name, bytes }) => ({ name, base64: bytes.toString('base64') })))})
            transfer.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name))
          return transfer
        })()`,
      )
      await page.locator('.drop').dispatchEvent('drop', { dataTransfer: transfer })
    }
    await onto([{ name: 'dropped.onnx', bytes: readFileSync(join(folder, 'tiny.onnx')) }])
    await page.getByRole('heading', { name: 'dropped.onnx' }).waitFor()
    await click(page, 'link', 'Quantise')
    await page.getByRole('heading', { name: 'New run' }).waitFor()
    const { default: sharp } = await import('sharp')
    const picture = (red: number) =>
      sharp({ create: { width: 9, height: 8, channels: 3, background: { r: red, g: 90, b: 30 } } })
        .png()
        .toBuffer()
    await onto([
      { name: 'a.png', bytes: await picture(10) },
      { name: 'b.png', bytes: await picture(200) },
    ])
    await page.getByText(/^onnxpress quantize .*dropped\.onnx --data .*\/uploads\/drop-\w+$/).waitFor()
    const recipe = { command: 'quantize', model: 'tiny.onnx', data: 'random', range: 'mse', preprocess: { scale: 1 } }
    await onto([{ name: 'recipe.json', bytes: Buffer.from(JSON.stringify(recipe)) }])
    await page.getByText('From the recipe as it was written: preprocess').waitFor()
    await page.getByText(/^onnxpress quantize .*tiny\.onnx --data random --range mse$/).waitFor()
    await page.close()
  })

  it('measures the time of each layer when it is asked to, and colours the graph by it', async () => {
    const page = await open('#/model/tiny.onnx')
    assert.equal(await page.getByRole('columnheader', { name: 'Latency' }).count(), 0)
    await click(page, 'button', 'Measure latency')
    await page.getByText(/^Measured here, .* ms in all kernels, \d+ % of it in layers/).waitFor()
    assert.equal(await page.getByLabel('Colour').inputValue(), 'latency')
    await page.getByRole('columnheader', { name: 'Latency' }).waitFor()
    const cells = await page.locator('tbody tr td:last-child').allInnerTexts()
    assert.equal(cells.filter((text) => /^[\d.]+ ms$/.test(text)).length, 5, cells.join())
    await page.close()
  })

  it('draws a curve of every number that the events of a run carry, while it works', async () => {
    const run = join(folder, 'training')
    await prepareRun(run, { command: 'finetune', model: join(folder, 'tiny.onnx'), data: 'random' })
    await writeStatus(run, {
      state: 'running',
      pid: process.pid,
      host: hostname(),
      createdAt: 1,
      startedAt: Date.now(),
    })
    const event = (done: number) => ({
      step: 'train',
      done,
      total: 9,
      at: Date.now(),
      loss: 3 / done,
      'top1 held back': done / 10,
    })
    for (const done of [1, 2, 3]) recordEvent(run, event(done))
    const page = await open()
    await page.getByRole('link', { name: 'finetune tiny.onnx' }).first().click()
    await page.locator('svg[aria-label^="loss, 3 values, last 1"]').waitFor()
    for (const done of [4, 5, 6]) recordEvent(run, event(done))
    await page.locator('svg[aria-label^="loss, 6 values, last 0.5"]').waitFor()
    await page.locator('svg[aria-label^="top1 held back, 6 values, last 0.6"]').waitFor()
    await writeStatus(run, { state: 'failed', createdAt: 1, message: 'made up' })
    await page.close()
  })

  it('does an interrupted run again in its folder, to the end', async () => {
    const run = join(folder, 'killed')
    const recipe = {
      command: 'quantize',
      model: join(folder, 'tiny.onnx'),
      data: 'random',
      output: join(run, 'model.onnx'),
    }
    await prepareRun(run, recipe)
    await writeStatus(run, {
      state: 'running',
      pid: 2 ** 22 + 1,
      host: hostname(),
      createdAt: Date.now(),
      startedAt: Date.now(),
    })
    const page = await open()
    await page
      .getByRole('row', { name: /killed/ })
      .getByText('interrupted')
      .waitFor()
    await page
      .getByRole('row', { name: /killed/ })
      .getByRole('link')
      .click()
    await click(page, 'button', 'Resume')
    await done(page)
    assert.ok(existsSync(join(run, 'model.onnx')), 'no model was written')
    await page.close()
  })

  it('loses nothing when it is closed, and shows a run live in another tab', async () => {
    const [first, second] = [await open(), await open()]
    await goTo(first, '#/new?command=quantize&model=tiny.onnx&data=random&weights=per-tensor')
    await first.getByRole('button', { name: 'Start' }).click()
    await first
      .getByRole('heading', { name: /tiny|Progress/ })
      .first()
      .waitFor()
    const hash = new URL(first.url()).hash
    await first.close()
    await second.getByRole('link', { name: 'quantize tiny.onnx' }).first().waitFor()
    await goTo(second, hash)
    await done(second)
    await second.close()
  })

  it('compares two runs on the same axes, and says how their recipes differ', async () => {
    const page = await open()
    const boxes = page.getByRole('checkbox', { name: /^Compare/, disabled: false })
    await boxes.nth(0).check()
    await boxes.nth(1).check()
    await page.getByRole('button', { name: 'Compare two' }).click()
    await page.getByRole('heading', { name: 'Side by side' }).waitFor()
    await page.getByRole('rowheader', { name: 'weights', exact: true }).waitFor()
    assert.equal(await page.locator('.drawn svg[aria-label^="SQNR of each layer"]').count(), 1)
    await page.close()
  })

  it('says in one sentence why a form or a run does not go', async () => {
    const page = await open('#/new?command=quantize&model=../../etc/x.onnx&data=random')
    await page.getByText('is outside of the folders of this studio').waitFor()
    assert.ok(await page.getByRole('button', { name: 'Start' }).isDisabled())
    await goTo(page, '#/model/missing.onnx')
    await page.getByText('there is no such file').waitFor()
    await page.close()
  })

  it('is checked by something that finds faults', async () => {
    const page = await open()
    await page.evaluate(
      `document.querySelector('main').insertAdjacentHTML('beforeend', '<input><p class="quiet"><a href="#/"></a></p>')`,
    )
    const found = (await faultsOf(page)).join('\n')
    assert.match(found, /label/)
    assert.match(found, /link-name/)
    await page.close()
  })

  /** Pages, and what is there when a page has what it asked for. */
  const pages: readonly (readonly [name: string, hash: () => Promise<string>, there: string])[] = [
    ['home', async () => '#/', 'input[type=checkbox][aria-label^=Compare]'],
    ['model', async () => '#/model/tiny.onnx', 'tbody tr'],
    ['new run', async () => '#/new?command=quantize&model=tiny.onnx', 'form label, main label'],
    ['run', async () => `#/run/${(await runIds())[0]}`, 'iframe'],
    ['compare', async () => `#/compare/${(await runIds()).slice(0, 2).join('/')}`, '.drawn svg'],
  ]
  /** Nothing changes any more: 100 ms without a change of the document. */
  const settled = (page: Page): Promise<void> =>
    page.evaluate(`new Promise((quiet) => {
      let timer = setTimeout(quiet, 100)
      const again = () => { clearTimeout(timer); timer = setTimeout(quiet, 100) }
      new MutationObserver(again).observe(document, { subtree: true, childList: true, attributes: true, characterData: true })
    })`)
  for (const [name, hash, there] of pages) {
    describe(`is accessible and does not scroll sideways: ${name}`, () => {
      let page: Page
      before(async () => {
        page = await open(await hash())
        await page.locator(there).first().waitFor()
      })
      after(() => page.close())
      for (const [width, scheme] of [
        [390, 'light'],
        [390, 'dark'],
        [1440, 'light'],
        [1440, 'dark'],
      ] as const) {
        it(`${width} pixels, ${scheme}`, async () => {
          await page.setViewportSize({ width, height: 900 })
          await page.emulateMedia({ colorScheme: scheme })
          if (name === 'model') {
            await page
              .getByRole('button', { name: /Conv|node|layer/i })
              .last()
              .click()
            await page.locator('.facts').waitFor()
          }
          await settled(page)
          assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'scrolls sideways')
          assert.deepEqual(await faultsOf(page), [])
        })
      }
    })
  }

  for (const scheme of ['light', 'dark'] as const) {
    it(`finds no fault with the page of a report, ${scheme}`, async () => {
      const page = await browser.newPage({ colorScheme: scheme, bypassCSP: true })
      await page.setContent(renderHtml({ ...techniquesReport, analysis }))
      assert.deepEqual(await faultsOf(page), [])
      await page.close()
    })
  }

  it('analyses a model from its form, and shows which layer loses it', async () => {
    const page = await open('#/new?command=analyze&model=tiny.onnx&data=random')
    await page.getByText(/^onnxpress analyze .*tiny\.onnx --data random$/).waitFor()
    await click(page, 'button', 'Start')
    await done(page)
    await page.frameLocator('iframe').getByRole('heading', { name: 'Which layer loses it, and why' }).waitFor()
    assert.equal(await page.getByRole('button', { name: 'Download model' }).count(), 0)
    await page.close()
  })

  it('asked no other machine for anything, and broke none of its own rules', () => {
    assert.deepEqual(foreign, [])
    // Refusals that the tests above provoke are logged by the browser itself.
    assert.deepEqual(
      complaints.filter((text) => !/the server responded with a status of 4\d\d/.test(text)),
      [],
    )
  })
})
