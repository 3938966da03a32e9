import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { built } from './support/built.ts'
import { commandLine } from './support/command-line.ts'

const shared = process.env['ONNXPRESS_SHARED'] ?? '../shared'
const models = join(shared, 'models')
const env = { ...process.env, NODE_OPTIONS: '' }
const run = (...args: string[]) => spawnSync(process.execPath, ['bin/onnxpress.js', ...args], { encoding: 'utf8', env })

describe('the built command line', () => {
  before(built)
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-cli-'))
  after(() => rmSync(folder, { recursive: true }))

  it('prints help and version with exit code 0', () => {
    assert.match(run('--help').stdout, /inspect/)
    assert.equal(
      run('--version').stdout.trim(),
      (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version,
    )
  })

  it('suggests the right option for a mistyped one, with exit code 2', () => {
    const { status, stderr } = run('inspect', '--jsonn', 'x.onnx')
    assert.equal(status, 2)
    assert.match(stderr, /--json/)
  })

  it('asks for samples, and suggests --data for --dat', () => {
    const none = run('quantize', 'x.onnx')
    assert.equal(none.status, 2)
    assert.match(none.stderr, /^quantize needs samples: give --data PATH/)
    assert.match(run('quantize', 'x.onnx', '--dat', 'y').stderr, /Did you mean --data\?/)
  })

  it('prints the recipe that a command line stands for', () => {
    const { status, stdout } = run(
      'quantize',
      'x.onnx',
      '--data',
      'y',
      '--exclude',
      'a,b*',
      '--shape',
      'x:1x3',
      '--print-recipe',
    )
    assert.equal(status, 0)
    const recipe = JSON.parse(stdout) as Record<string, unknown>
    assert.deepEqual([recipe['samples'], recipe['exclude'], recipe['shape']], [64, ['a', 'b*'], { x: [1, 3] }])
  })

  it('says in one sentence, with exit code 3, that a file is missing', () => {
    const { status, stderr, stdout } = run('inspect', join(folder, 'none.onnx'))
    assert.equal(status, 3)
    assert.equal(stdout, '')
    assert.match(stderr, /^cannot read .*none\.onnx: there is no such file\n$/)
  })

  const manifest = join(models, 'manifest.json')
  it('inspects models of the manifest', {
    skip: existsSync(manifest) ? false : `no models at ${models}`,
  }, async (test) => {
    const shared = commandLine()
    test.after(shared.close)
    const entries = JSON.parse(readFileSync(manifest, 'utf8')) as {
      file: string
      parameters: number | null
      opset: number
      task: string
    }[]
    for (const entry of entries.filter(({ task }) => task === 'image-classification')) {
      const { status, stdout } = await shared.run('inspect', join(models, entry.file), '--json')
      assert.equal(status, 0, entry.file)
      const result = JSON.parse(stdout) as { parameters: number; opset: number; macs?: number; layers: unknown[] }
      // The manifest counts the two int64 values of one model's Reshape shape as parameters; we count floats only.
      const integers = entry.file.startsWith('digit_cnn') ? 2 : 0
      assert.equal(result.parameters, (entry.parameters ?? 0) - integers, entry.file)
      assert.equal(result.opset, entry.opset)
      assert.ok((result.macs ?? 0) > 0 || entry.file.includes('cntk'), entry.file)
    }
  })
})
