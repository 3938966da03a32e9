import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { built } from './support/built.ts'
import { smallCompression } from './support/small-compression.ts'

const env = { ...process.env, NODE_OPTIONS: '' }

/** Runs the command line; kills it, so that nothing can be tidied up, as soon as what it said so far is enough. */
function run(args: readonly string[], enough: (said: string) => boolean = () => false) {
  const child = spawn(process.execPath, ['bin/onnxpress.js', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [json, said] = ['', '']
  child.stdout.on('data', (text: Buffer) => {
    json += text
  })
  child.stderr.on('data', (text: Buffer) => {
    said += text
  })
  const watch = setInterval(() => {
    if (enough(said)) child.kill('SIGKILL')
  }, 2)
  return new Promise<{ code: number | null; json: string }>((resolve) =>
    child.on('close', (code) => {
      clearInterval(watch)
      resolve({ code, json })
    }),
  )
}

describe('a compression that was killed', () => {
  before(built)
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-kill-'))
  after(() => rmSync(folder, { recursive: true }))

  it('in its search and again in its refit goes on to the model that an undisturbed run gives, byte for byte', async () => {
    const { model, data } = await smallCompression(folder)
    const common = [
      'compress',
      model,
      '--data',
      data,
      '--samples',
      '48',
      '--macs',
      '0.8,0.6',
      '--loss',
      'kl',
      '--force',
    ]
    const args = (name: string) => [...common, '--no-report', '--threads', '1', '-o', join(folder, `${name}.onnx`)]
    const undisturbed = await run([...args('whole'), '--json'])
    assert.equal(undisturbed.code, 0)
    const kept = [...args('killed'), '--run', join(folder, 'run')]
    const cache = join(folder, 'run', 'cache', 'compress.jsonl')
    const searching = () => existsSync(cache) && readFileSync(cache, 'utf8').split('|kl|').length > 3
    const fitting = (said: string) => /^refit/m.test(said)
    assert.equal((await run(kept, searching)).code, null, 'killed while it searched')
    assert.equal((await run(kept, fitting)).code, null, 'killed while it fitted')
    const resumed = await run([...kept, '--json'])
    assert.equal(resumed.code, 0)
    const evaluations = (json: string) => (JSON.parse(json) as { evaluations: number }).evaluations
    assert.ok(evaluations(resumed.json) < evaluations(undisturbed.json), 'the search is not done again')
    for (const target of ['macs80', 'macs60'])
      assert.deepEqual(
        readFileSync(join(folder, `killed.${target}.onnx`)),
        readFileSync(join(folder, `whole.${target}.onnx`)),
        `${target} differs`,
      )
  })
})
