// The programs of examples/ as a stranger runs them: with the package as it is built, found by its name.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { build } from 'vite'
import { readModelFile, writeModelFile } from '../src/onnx/index.node.ts'
import { built } from './support/built.ts'
import { launchChromium, noChromium, serveFolder } from './support/chromium.ts'
import { tinyModel } from './support/tiny-model.ts'

const env = { ...process.env, NODE_OPTIONS: '' }
const onnxpress = `${JSON.stringify(process.execPath)} ${JSON.stringify(resolve('bin/onnxpress.js'))}`

describe('the examples', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-examples-'))
  const at = (name: string): string => join(folder, name)
  before(built)
  after(() => rmSync(folder, { recursive: true }))

  const node = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env })
    assert.equal(status, 0, stderr)
    return stdout
  }
  /** A line for a shell, with `onnxpress` and `node` being those of this test. */
  const shell = (line: string, cwd: string, more: Readonly<Record<string, string>> = {}) => {
    const command = line.replace(/^(npx )?onnxpress /, `${onnxpress} `).replace(/^node /, `"${process.execPath}" `)
    return spawnSync(command, { encoding: 'utf8', shell: true, cwd, env: { ...env, ...more } })
  }

  it('quantise the model of the demo', async () => {
    const said = node('examples/quantize.mjs', at('model.int8.onnx'))
    assert.match(said, /23 of 23 layers run in integers\ntop1: 0\.\d+ → 0\.\d+/)
    const { graph } = await readModelFile(at('model.int8.onnx'))
    assert.ok(graph.nodes.some(({ opType }) => opType === 'DequantizeLinear'))
  })

  it('compress the model of the demo to half of its multiplications', () => {
    assert.match(node('examples/compress.mjs', at('model.macs50.onnx')), /: (49|50) % of the multiplications\ntop1: /)
    assert.ok(statSync(at('model.macs50.onnx')).size < statSync('demo/model.onnx').size)
  })

  it('score by a metric of their own, on the command lines that the metric names', () => {
    const lines = [...readFileSync('examples/metric.mjs', 'utf8').matchAll(/^\/\/ (onnxpress .*)$/gm)]
    const [evaluated, compared] = lines.map(([, line = '']) => {
      const { status, stdout, stderr } = shell(`${line.replace('model.int8.onnx', at('model.int8.onnx'))} --json`, '.')
      assert.equal(status, 0, stderr)
      return JSON.parse(stdout).metric
    })
    assert.equal(evaluated.name, 'worst class')
    assert.equal(compared.before, evaluated.value)
    assert.ok(evaluated.value > 0.5 && evaluated.value < 0.944, `${evaluated.value}`)
  })

  it('hold a model in a GitHub workflow to what it may lose', () => {
    const text = readFileSync('examples/github-workflow.yml', 'utf8')
    const [, maxDrop = ''] = /^ +MAX_DROP: (.*)$/m.exec(text) ?? []
    const lines = [...text.matchAll(/^ +- run: (.*)$/gm)].map(([, line = '']) => line)
    const [quantize = '', check = ''] = lines.filter((line) => !/npm install/.test(line))
    for (const name of ['model.onnx', 'preprocess.json', ...samplesOf('calibration'), ...samplesOf('test')])
      copyFileSync(join('demo', name), at(name))
    const missing = shell(quantize.replace('model.onnx', 'other.onnx'), folder)
    assert.equal(missing.status, 3, missing.stderr)
    const run = shell(quantize, folder)
    assert.equal(run.status, 0, run.stderr)
    assert.ok(existsSync(join(folder, 'run', 'model.onnx')), 'there is nothing to upload')
    assert.equal(shell(check, folder, { MAX_DROP: maxDrop }).status, 0)
    assert.equal(shell(check, folder, { MAX_DROP: '-1' }).status, 6)
  })

  it('quantise in a worker of a web page', { skip: noChromium }, async () => {
    await build({ root: 'examples/worker', logLevel: 'error', build: { outDir: at('page'), minify: false } })
    const drawing = 'x[N,3,8,8] -> Conv 3x3 3->8 pads=1,1,1,1 -> Relu -> Conv 1x1 8->4 -> y'
    await writeModelFile(tinyModel(drawing), at('tiny.onnx'))
    const server = await serveFolder(at('page'))
    const browser = await launchChromium()
    try {
      const page = await browser.newPage()
      page.setDefaultTimeout(60_000)
      await page.goto(server.url)
      await page.locator('input').setInputFiles([at('tiny.onnx'), ...(await pictures(folder, 8))])
      await page.getByText(/^\d+ → \d+ bytes, \d+\.\d dB$/).waitFor()
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Save').click()])
      const { graph } = await readModelFile(await download.path())
      assert.ok(graph.nodes.some(({ opType }) => opType === 'DequantizeLinear'))
    } finally {
      await browser.close()
      await server.close()
    }
  })
})

/** A description of the demo's samples, and the file that it names. */
function samplesOf(name: string): string[] {
  return [`${name}.json`, `${name}.bin.gz`]
}

/** Writes some pictures. @returns their files */
async function pictures(folder: string, count: number): Promise<string[]> {
  const { default: sharp } = await import('sharp')
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const pixels = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => (i * (n + 3) * 7) & 255)
      const file = join(folder, `picture${n}.png`)
      await sharp(pixels, { raw: { width: 8, height: 8, channels: 3 } }).toFile(file)
      return file
    }),
  )
}
