// How long the studio takes to its first paint, to draw a graph, and how smoothly it zooms, in a headless Chromium.
// Usage: node --import tsx bench/studio.ts MODEL.onnx|NODES   (CHROME_PATH, else /usr/bin/chromium; `npm run build` first)
// A number makes a residual network of that many nodes, whose blocks fold; then all of its nodes are drawn.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { dirname, extname, join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { chromium, type Page } from 'playwright-core'
import { writeModelFile } from '../src/onnx/index.node.ts'
import { makeModel, makeNode, Tensor } from '../src/onnx/index.ts'

/** Blocks of Conv, an activation that is drawn by lot, Conv, Add, of different widths. */
async function residualModel(nodes: number): Promise<string> {
  const list = []
  const initializers: Record<string, Tensor> = {}
  let value = 'x'
  let channels = 4
  let draw = 1
  const conv = (from: string, to: string, width: number, name: string) => {
    initializers[`${name}.weight`] = Tensor.from(
      'float32',
      [width, channels, 1, 1],
      new Float32Array(width * channels).fill(0.1),
    )
    list.push(makeNode({ opType: 'Conv', name, inputs: [from, `${name}.weight`], outputs: [to] }))
  }
  for (let block = 0; list.length < nodes; block++) {
    const width = 4 + (block % 29)
    draw = (draw * 75 + 74) % 65537
    conv(value, `a${block}`, width, `block${block}.conv1`)
    list.push(
      makeNode({
        opType: ['Relu', 'Sigmoid', 'Tanh', 'Elu'][draw & 3] ?? 'Relu',
        inputs: [`a${block}`],
        outputs: [`b${block}`],
      }),
    )
    const before = channels
    channels = width
    conv(`b${block}`, `c${block}`, before, `block${block}.conv2`)
    channels = before
    list.push(makeNode({ opType: 'Add', inputs: [`c${block}`, value], outputs: [`d${block}`] }))
    value = `d${block}`
  }
  const path = join(mkdtempSync(join(tmpdir(), 'onnxpress-bench-')), `residual${nodes}.onnx`)
  const io = (name: string) => ({ name, dtype: 'float32' as const, shape: ['N', 4, 4, 4] })
  await writeModelFile(
    makeModel({ name: 'residual', nodes: list, initializers, inputs: [io('x')], outputs: [io(value)] }),
    path,
  )
  return path
}

const given = process.argv[2] ?? ''
const model = /^\d+$/.test(given) ? await residualModel(Number(given)) : resolve(given)
const executablePath = process.env['CHROME_PATH'] ?? '/usr/bin/chromium'
const rounds = 7

async function start(): Promise<{ readonly url: string; readonly end: () => Promise<void> }> {
  const words = ['bin/onnxpress.js', 'studio', dirname(model), '--no-open']
  const child = spawn(process.execPath, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  const url = await new Promise<string>((found) =>
    child.stdout.once('data', (line: Buffer) => found(String(line).trim())),
  )
  const ended = new Promise<void>((end) => child.once('exit', () => end()))
  return {
    url,
    end: () => {
      child.kill('SIGINT')
      return ended
    },
  }
}

const best = (values: readonly number[]): string => `${Math.min(...values).toFixed(0)} at best`
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** Frames a second while the wheel turns at every frame. */
async function zoomRate(page: Page): Promise<number> {
  return page.evaluate<number>(`(async () => {
    const canvas = document.querySelector('canvas')
    const began = performance.now()
    let frames = 0
    while (performance.now() - began < 2000) {
      const deltaY = frames % 60 < 30 ? 12 : -12
      canvas.dispatchEvent(new WheelEvent('wheel', { deltaY, cancelable: true, clientX: 300, clientY: 500 }))
      await new Promise((next) => requestAnimationFrame(next))
      frames++
    }
    return (1000 * frames) / (performance.now() - began)
  })()`)
}

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } })
const [shown, painted, drawn]: number[][] = [[], [], []]
for (let round = 0; round < rounds; round++) {
  const began = performance.now()
  const { url, end } = await start()
  const address = performance.now() - began
  await page.goto(url)
  await page.waitForSelector('main .card h1')
  shown?.push(performance.now() - began)
  await page.waitForFunction(`performance.getEntriesByName('first-contentful-paint').length > 0`)
  painted?.push(
    address + (await page.evaluate<number>(`performance.getEntriesByName('first-contentful-paint')[0].startTime`)),
  )
  const opened = performance.now()
  await page.evaluate(`location.hash = '#/model/' + encodeURIComponent(${JSON.stringify(model)})`)
  await page.waitForSelector('canvas')
  await page.evaluate('new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)))')
  drawn?.push(performance.now() - opened)
  if (round === rounds - 1) {
    const folded = await page.locator('canvas').getAttribute('aria-label')
    const foldedRate = await zoomRate(page)
    await page.getByLabel('Every node').check()
    await page.getByLabel('Fold repeats').uncheck()
    await page.waitForTimeout(1000)
    console.log(`${folded}: ${foldedRate.toFixed(0)} frames a second while zooming`)
    console.log(
      `${await page.locator('canvas').getAttribute('aria-label')}: ${(await zoomRate(page)).toFixed(0)} frames a second while zooming`,
    )
  }
  await page.goto('about:blank')
  await end()
}
await browser.close()
console.log(
  `command to first contentful paint ${median(painted ?? []).toFixed(0)} ms (${best(painted ?? [])}), to the page in use ${median(shown ?? []).toFixed(0)} ms`,
)
console.log(`model opened to graph drawn ${median(drawn ?? []).toFixed(0)} ms (${best(drawn ?? [])})`)
for (const folder of ['studio', 'browser']) {
  const files = readdirSync(join('dist', folder), { recursive: true }).map((name) => join('dist', folder, String(name)))
  const weigh = (wanted: (file: string) => boolean): string =>
    `${Math.round(files.filter((file) => extname(file) !== '' && wanted(file)).reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0) / 1000)} KB`
  console.log(
    `dist/${folder}: ${weigh((file) => !file.endsWith('.wasm'))} gzipped, ${weigh((file) => file.endsWith('.wasm'))} of WebAssembly beside`,
  )
}
console.log(
  `medians of ${rounds}; ${cpus()[0]?.model}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}`,
)
