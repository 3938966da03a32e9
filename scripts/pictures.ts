// The pictures of README.md: the report of a quantised model of the demo, and the studio with its graph and run.
// Usage: npm run build && node --import tsx scripts/pictures.ts   (CHROME_PATH, else the usual places of Chromium)

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import { startStudio } from '../src/server/index.node.ts'
import { launchChromium, noChromium } from '../test/support/chromium.ts'

/** Largest file, in bytes: nobody waits for a README. */
const LARGEST = 150_000
const out = resolve('docs', 'pictures')
const script = resolve('bin', 'onnxpress.js')
const schemes = ['light', 'dark'] as const

/** A page of a width, in light or dark, drawn with more pixels than it has. */
async function pageOf(browser: Browser, colorScheme: (typeof schemes)[number], width: number): Promise<Page> {
  const viewport = { width, height: Math.round(width * 0.75) }
  const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: 1600 / width })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  return page
}

/** Writes what a page shows, in few colours. */
async function keep(page: Page, name: string): Promise<void> {
  const file = join(out, `${name}.png`)
  const { size } = await sharp(await page.screenshot())
    .png({ palette: true, colours: 64, compressionLevel: 9, effort: 10 })
    .toFile(file)
  if (size > LARGEST) throw new Error(`${file} has ${size} bytes, at most ${LARGEST} are wanted`)
  console.log(`${file}: ${size} bytes`)
}

if (noChromium) throw new Error(noChromium)
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-pictures-'))
mkdirSync(out, { recursive: true })
copyFileSync(join('demo', 'model.onnx'), join(folder, 'shapes.onnx'))
const samples = ['data', 'calibration.json', 'val', 'test.json', 'preprocess', 'preprocess.json']
const words = samples.map((word, i) => (i % 2 === 0 ? `--${word}` : resolve('demo', word)))
// The runner's loader is for this process; the runs are the built command line.
delete process.env['NODE_OPTIONS']
words.push('--weights', 'per-tensor', '--run', 'run', '-o', 'shapes.int8.onnx', '--quiet')
execFileSync(process.execPath, [script, 'quantize', 'shapes.onnx', ...words], { cwd: folder })
const studio = await startStudio({ folders: [folder], port: 0, script, page: resolve('dist', 'studio'), version: '' })
const browser = await launchChromium()
try {
  for (const scheme of schemes) {
    const report = await pageOf(browser, scheme, 1040)
    await report.goto(pathToFileURL(join(folder, 'run', 'report.html')).href)
    await keep(report, `report-${scheme}`)
    const page = await pageOf(browser, scheme, 1280)
    await page.goto(studio.url)
    await page.getByRole('heading', { name: 'Open a model' }).waitFor()
    const id = (await page.locator('a[href^="#/run/"]').first().getAttribute('href'))?.split('/').at(-1)
    await page.evaluate(`location.hash = '#/model/shapes.onnx?run=${id}'`)
    await page.locator('canvas').waitFor()
    await page.getByText(/MACs ·/).waitFor()
    await page.locator('table button.link').nth(1).click()
    await page.locator('.pictures svg').first().waitFor({ state: 'attached' })
    await page.evaluate('scrollTo(0, 0)')
    await keep(page, `studio-${scheme}`)
  }
} finally {
  await browser.close()
  await studio.close()
  rmSync(folder, { recursive: true })
}
