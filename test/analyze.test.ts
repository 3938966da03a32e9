// `analyze` from the command line, on the model of the demo with damage that is known.
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { built } from './support/built.ts'
import { commandLine, type Ran } from './support/command-line.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-analyze-'))
const shared = commandLine()
after(() => {
  shared.close()
  rmSync(folder, { recursive: true })
})

const run = (...words: readonly string[]) => shared.run('analyze', ...words, '--quiet', '--threads', '1', '--no-report')
const demo = ['demo/model.onnx', '--data', 'demo/calibration.json', '--samples', '32']

describe('analyze', () => {
  const files = readdirSync('demo')
  let plain: Ran
  before(async () => {
    await built()
    plain = await run(...demo, '--json')
  })

  it('ranks layers by the noise that each brings alone, names a cause and a remedy, and writes nothing where no report is wanted', async () => {
    const { status, stdout, stderr } = plain
    assert.equal(status, 0, stderr)
    const { layers, noise, samples, latencyMs } = JSON.parse(stdout)
    assert.ok(layers.length >= 3 && samples > 0 && latencyMs.float > 0 && latencyMs.integer > 0)
    for (const [i, layer] of layers.entries()) {
      assert.ok(layer.noise.both > 0, layer.name)
      assert.ok(layer.cause !== '' && layer.remedy !== '' && layer.bytes >= 0 && layer.ms >= 0, layer.name)
      const before = layers[i - 1]
      assert.ok(i === 0 || (before.damaged && !layer.damaged) || before.blame >= layer.blame, 'most to blame first')
    }
    const [worst] = layers.filter(({ damaged }: { damaged?: true }) => !damaged)
    assert.ok(worst.measured && Object.keys(worst.sqnrDb).length > 0)
    assert.ok(worst.spared < noise.all, 'what is spared is a part of all')
    assert.ok(noise.predicted > noise.all / 4 && noise.predicted < noise.all * 4, `${noise.predicted} for ${noise.all}`)
    assert.deepEqual(readdirSync('demo'), files)
  })

  it('ranks a range that was cut to a tenth first, says so, and sees it repaired by its remedy', async () => {
    const { layers } = JSON.parse(plain.stdout)
    const cut = join(folder, 'cut.json')
    writeFileSync(cut, JSON.stringify({ image: { range: [-0.2, 0.2] } }))
    const damaged = await run(...demo, '--overrides', cut, '--json')
    assert.equal(damaged.status, 0, damaged.stderr)
    const [worst] = JSON.parse(damaged.stdout).layers
    assert.deepEqual([worst.name, worst.op, worst.cause], ['image', 'Input', 'clipped range'])
    const usual = layers.find(({ name }: { name: string }) => name === 'image')
    assert.ok(worst.noise.both > 10 * usual.noise.both)
    const [, remedy = ''] = /--overrides with (.+)$/.exec(worst.remedy) ?? []
    writeFileSync(cut, remedy)
    const repaired = JSON.parse((await run(...demo, '--overrides', cut, '--json')).stdout).layers
    const own = repaired.find(({ name }: { name: string }) => name === 'image')
    assert.ok(own.noise.both < 2 * usual.noise.both, `${own.noise.both} for ${usual.noise.both}`)
  })

  it('writes a page beside the model, or page and report into a run folder, which can be rendered again', async () => {
    const model = join(folder, 'model.onnx')
    copyFileSync('demo/model.onnx', model)
    const words = ['analyze', model, '--data', 'demo/calibration.json', '--samples', '8', '--quiet']
    const beside = await shared.run(...words)
    assert.equal(beside.status, 0, beside.stderr)
    const page = readFileSync(join(folder, 'model.analyze.html'), 'utf8')
    assert.match(page, /Which layer loses it, and why/)
    const kept = await shared.run(...words, '--run', join(folder, 'run'), '--json')
    assert.equal(kept.status, 0, kept.stderr)
    const { layers } = JSON.parse(kept.stdout)
    assert.deepEqual(readdirSync(join(folder, 'run')).sort(), [
      'events.jsonl',
      'recipe.json',
      'report.html',
      'report.json',
      'status.json',
    ])
    const report = JSON.parse(readFileSync(join(folder, 'run', 'report.json'), 'utf8'))
    assert.deepEqual(
      report.analysis.layers.map(({ name, noise }: { name: string; noise: unknown }) => [name, noise]),
      layers.map(({ name, noise }: { name: string; noise: unknown }) => [name, noise]),
    )
    const again = await shared.run('report', join(folder, 'run'))
    assert.match(again.stdout, /everything in integers: [\d.]+ dB; most to blame: \S+ \(/)
    const nowhere = await shared.run(...words.with(1, join(folder, 'no', 'model.onnx')))
    assert.equal(nowhere.status, 3, nowhere.stderr)
  })

  it('prints a table, and refuses what it cannot use in a sentence', async () => {
    const { status, stdout } = await run(...demo)
    assert.equal(status, 0)
    assert.match(stdout, /layer +op +weights +activations +both +cause/)
    assert.match(stdout, /everything in integers: [\d.]+ dB/)
    const none = await run(...demo, '--overrides', join(folder, 'none.json'))
    assert.equal(none.status, 3)
    assert.match(none.stderr, /cannot read the overrides .*none\.json/)
    writeFileSync(join(folder, 'wrong.json'), JSON.stringify({ image: { rnage: [0, 1] } }))
    const wrong = await run(...demo, '--overrides', join(folder, 'wrong.json'))
    assert.equal(wrong.status, 3)
    assert.match(wrong.stderr, /rnage/)
  })
})
