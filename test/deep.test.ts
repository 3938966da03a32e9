// `compare --deep --proof` and `verify` from the command line.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { writeModelFile } from '../src/onnx/index.node.ts'
import { built } from './support/built.ts'
import { byteConvolution, floatsAround } from './support/byte-layers.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-deep-'))
const at = (name: string): string => join(folder, name)
after(() => rmSync(folder, { recursive: true }))

const run = (...words: readonly string[]) =>
  spawnSync(process.execPath, [resolve('bin/onnxpress.js'), ...words], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  })

describe('compare --deep and verify', () => {
  before(async () => {
    await built()
    await writeModelFile(floatsAround(byteConvolution({ most: 40 })), at('m.onnx'))
  })

  it('prove a file, and repeat the proof', () => {
    const compared = run('compare', at('m.onnx'), at('m.onnx'), '--data', 'random', '--deep', '--proof', '--json')
    assert.equal(compared.status, 0, compared.stderr)
    const { deep, proof, samples } = JSON.parse(compared.stdout)
    assert.equal(proof, at('m.proof.json'))
    assert.ok(samples >= deep.samples && deep.samples > 0)
    assert.deepEqual(
      deep.layers.map(({ name, differs }: { name: string; differs: boolean }) => [name, differs]),
      [
        ['x', false],
        ['conv', false],
        ['result', false],
      ],
    )
    const verified = run('verify', at('m.onnx'), '--quiet')
    assert.equal(verified.status, 0, verified.stderr)
    assert.match(verified.stdout, /^✔ the proof holds here/)
  })

  it('fail with exit code 6 where a figure does not hold, and with 3 where the file is another one', async () => {
    const proof = JSON.parse(readFileSync(at('m.proof.json'), 'utf8'))
    for (const each of Object.values(proof.runtimes) as { sqnrDb: Record<string, number> }[]) each.sqnrDb['gone'] = 40
    writeFileSync(at('m.proof.json'), JSON.stringify(proof))
    const { status, stdout, stderr } = run('verify', at('m.onnx'), '--quiet')
    assert.equal(status, 6, stderr)
    assert.match(stdout, /^✖ the proof does not hold here/)
    assert.match(stderr, /^in onnxruntime-node output gone is not given here, proven was 40\.0 dB$/m)
    await writeModelFile(floatsAround(byteConvolution({ most: 41 })), at('m.onnx'))
    assert.equal(run('verify', at('m.onnx'), '--quiet').status, 3)
  })

  it('take nothing to run from a proof', () => {
    const proof = JSON.parse(readFileSync(at('m.proof.json'), 'utf8'))
    const module = at('evil.mjs')
    writeFileSync(module, `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(at('ran'))}, '')`)
    writeFileSync(at('m.proof.json'), JSON.stringify({ ...proof, recipe: { ...proof.recipe, data: module } }))
    return writeModelFile(floatsAround(byteConvolution({ most: 40 })), at('m.onnx')).then(() => {
      const { status, stderr } = run('verify', at('m.onnx'), '--quiet')
      assert.equal(status, 2, stderr)
      assert.match(stderr, /does not run because a proof says so: name it with --data/)
      assert.ok(!existsSync(at('ran')))
    })
  })
})
