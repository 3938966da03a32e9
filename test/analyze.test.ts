// `analyze` from the command line, on the model of the demo with damage that is known.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { built } from './support/built.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-analyze-'))
after(() => rmSync(folder, { recursive: true }))

function run(...words: readonly string[]) {
  const args = [resolve('bin/onnxpress.js'), 'analyze', ...words, '--quiet', '--threads', '1']
  return spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
}
const demo = ['demo/model.onnx', '--data', 'demo/calibration.json', '--samples', '32']

describe('analyze', () => {
  before(built)

  it('ranks layers by the noise that each brings alone, names a cause and a remedy, and writes nothing', () => {
    const before = readdirSync('demo')
    const { status, stdout, stderr } = run(...demo, '--json')
    assert.equal(status, 0, stderr)
    const { layers, noise, samples, latencyMs } = JSON.parse(stdout)
    assert.ok(layers.length >= 3 && samples > 0 && latencyMs.float > 0 && latencyMs.integer > 0)
    for (const [i, layer] of layers.entries()) {
      assert.ok(layer.noise.both > 0, layer.name)
      assert.ok(layer.cause !== '' && layer.remedy !== '' && layer.bytes >= 0 && layer.ms >= 0, layer.name)
      assert.ok(i === 0 || layers[i - 1].blame >= layer.blame, 'most to blame first')
    }
    const [worst] = layers
    assert.ok(worst.measured && Object.keys(worst.sqnrDb).length > 0)
    assert.ok(worst.spared < noise.all, 'what is spared is a part of all')
    assert.ok(noise.predicted > noise.all / 4 && noise.predicted < noise.all * 4, `${noise.predicted} for ${noise.all}`)
    assert.deepEqual(readdirSync('demo'), before)
  })

  it('ranks a range that was cut to a tenth first, says so, and sees it repaired by its remedy', () => {
    const { layers } = JSON.parse(run(...demo, '--json').stdout)
    const cut = join(folder, 'cut.json')
    writeFileSync(cut, JSON.stringify({ image: { range: [-0.2, 0.2] } }))
    const damaged = run(...demo, '--overrides', cut, '--json')
    assert.equal(damaged.status, 0, damaged.stderr)
    const [worst] = JSON.parse(damaged.stdout).layers
    assert.deepEqual([worst.name, worst.op, worst.cause], ['image', 'Input', 'clipped range'])
    const usual = layers.find(({ name }: { name: string }) => name === 'image')
    assert.ok(worst.noise.both > 10 * usual.noise.both)
    const [, remedy = ''] = /--overrides with (.+)$/.exec(worst.remedy) ?? []
    writeFileSync(cut, remedy)
    const repaired = JSON.parse(run(...demo, '--overrides', cut, '--json').stdout).layers
    const own = repaired.find(({ name }: { name: string }) => name === 'image')
    assert.ok(own.noise.both < 2 * usual.noise.both, `${own.noise.both} for ${usual.noise.both}`)
  })

  it('prints a table, and refuses what it cannot use in a sentence', () => {
    const { status, stdout } = run(...demo)
    assert.equal(status, 0)
    assert.match(stdout, /layer +op +weights +activations +both +cause/)
    assert.match(stdout, /everything in integers: [\d.]+ dB/)
    const none = run(...demo, '--overrides', join(folder, 'none.json'))
    assert.equal(none.status, 3)
    assert.match(none.stderr, /cannot read the overrides .*none\.json/)
    writeFileSync(join(folder, 'wrong.json'), JSON.stringify({ image: { rnage: [0, 1] } }))
    const wrong = run(...demo, '--overrides', join(folder, 'wrong.json'))
    assert.equal(wrong.status, 3)
    assert.match(wrong.stderr, /rnage/)
  })
})
