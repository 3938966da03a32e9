import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { CancelledError, UnsupportedError, UsageError } from '../src/base/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { layerCounts, quantizeFile, quantizeReport } from '../src/pipeline/index.node.ts'
import type { QuantizeRecipe } from '../src/pipeline/index.ts'
import type { Runtime } from '../src/runtime/index.ts'
import { type ManifestEntry, manifestEntries, noModels, recipeFor, sharedFolder } from './support/manifest.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-quantize-'))
after(() => rmSync(folder, { recursive: true }))

const quick = (entry: ManifestEntry, more: Partial<QuantizeRecipe> = {}): QuantizeRecipe =>
  recipeFor(entry, { samples: 4, effort: 'fast', output: join(folder, `${basename(entry.file)}.int8.onnx`), ...more })

/** Fifty pictures tell dead from alive as five hundred do. */
function everyTenthPicture(): string {
  const pictures = resolve(sharedFolder, 'data/imagenet-even')
  const some = join(folder, 'pictures')
  mkdirSync(some)
  const names = readdirSync(pictures).filter((name) => name.endsWith('.jpg'))
  const kept = names.filter((_name, i) => i % 10 === 0)
  for (const name of kept) symlinkSync(join(pictures, name), join(some, name))
  const [head = '', ...rows] = readFileSync(join(pictures, 'labels.csv'), 'utf8').trim().split('\n')
  const labels = rows.filter((row) => kept.some((name) => row.includes(name)))
  writeFileSync(join(some, 'labels.csv'), [head, ...labels].join('\n'))
  copyFileSync(join(pictures, 'dataset.json'), join(some, 'dataset.json'))
  return join(some, 'dataset.json')
}

describe('quantising the models of the manifest', () => {
  if (noModels) {
    it('gives a valid int8 file for each', { skip: noModels }, () => {})
    return
  }
  let runtime: Runtime
  before(async () => {
    runtime = await testRuntime()
  })
  const entries = manifestEntries()
  /** What became of the layers of each. */
  const counted = new Map<string, ReturnType<typeof layerCounts>>()
  const named = (word: string): ManifestEntry => {
    const entry = entries.find(({ file }) => file.includes(word))
    assert.ok(entry)
    return entry
  }

  for (const entry of entries) {
    if (entry.expect === 'must-reject-clearly') {
      it(`refuses ${entry.file} in one sentence and writes nothing`, async () => {
        const recipe = quick(entry, { data: 'random' })
        await assert.rejects(quantizeFile(runtime, recipe), (error: unknown) => {
          assert.ok(error instanceof UnsupportedError)
          assert.match(
            error.message,
            /super_resolution.*node "\w+" is a DecodeImage of domain com\.microsoft\.extensions/,
          )
          return true
        })
        assert.equal(existsSync(recipe.output ?? ''), false)
      })
      continue
    }
    it(`quantises ${entry.file}`, async () => {
      const run = await quantizeFile(runtime, quick(entry, entry.data ? {} : { samples: 2 }))
      const counts = layerCounts(run)
      counted.set(entry.file, counts)
      // Every layer of the labelled models has an integer kernel.
      if (entry.task === 'image-classification')
        assert.equal(counts.integer, counts.total, JSON.stringify(run.kernels.filter((kernel) => !kernel.integer)))
      else assert.ok(counts.total === 0 || counts.integer > 0)
      const written = await readModelFile(run.output)
      assert.deepEqual(
        written.graph.inputs.map(({ name }) => name),
        entry.inputs.map(({ name }) => name),
      )
      assert.deepEqual(
        written.graph.outputs.map(({ name }) => name),
        entry.outputs.map(({ name }) => name),
      )
      for (const { reason } of run.float) assert.ok(reason.length > 0)
    })
  }

  it('gives the same bytes twice', async () => {
    const entry = named('kws_dscnn')
    const first = readFileSync(quick(entry).output ?? '')
    const second = readFileSync(
      (await quantizeFile(runtime, quick(entry, { output: join(folder, 'again.onnx') }))).output,
    )
    assert.deepEqual(first, second)
  })

  it('measures what it wrote, layer by layer', async () => {
    const run = await quantizeFile(runtime, quick(named('kws_dscnn'), { samples: 32, effort: 'default' }))
    assert.ok((run.comparison?.metric?.after ?? 0) > 0.88)
    assert.ok((run.comparison?.agreement ?? 0) > 0.97)
    assert.equal(run.layerSqnr.length, run.kernels.length)
    const report = quantizeReport(run, runtime)
    assert.equal(
      report.layers.every((layer) => layer.integer === true && typeof layer.sqnrDb === 'number'),
      true,
    )
    assert.match(report.verdict.headline, /smaller: yes/)
  })

  it('calls a dead model dead, and brings it back: mobilenet with one scale a weight', async () => {
    const val = everyTenthPicture()
    const recipe = quick(named('mobilenet_v1_0.25_224'), { weights: 'per-tensor', effort: 'default', samples: 4, val })
    const naive = await quantizeFile(runtime, { ...recipe, techniques: ['none'] })
    assert.equal(quantizeReport(naive, runtime).verdict.tone, 'dead')
    const searched = await quantizeFile(runtime, recipe)
    assert.deepEqual(
      searched.ladder?.map(({ name }) => name),
      ['naive', 'folded', 'equalised', 'corrected', 'rounded'],
    )
    assert.ok((searched.comparison?.agreement ?? 0) > 0.7)
    assert.equal(layerCounts(searched).integer, layerCounts(searched).total)
  })

  it('leaves out what --exclude names, and refuses a pattern that fits nothing', async () => {
    const entry = named('cifar10_resnet20')
    const all = counted.get(entry.file)
    assert.ok(all, 'it was quantised above')
    const less = layerCounts(await quantizeFile(runtime, quick(entry, { exclude: ['Gemm'] })))
    assert.equal(less.integer, all.integer - 1)
    await assert.rejects(
      quantizeFile(runtime, quick(entry, { exclude: ['nothing*'] })),
      /--exclude "nothing\*" fits no node/,
    )
  })

  it('quantises weights only', async () => {
    const run = await quantizeFile(runtime, quick(named('cifar10_resnet20'), { mode: 'weights' }))
    assert.equal(layerCounts(run).integer, 0)
    assert.ok(run.sizeBytes.after < 0.4 * run.sizeBytes.before)
  })

  it('never writes over the input', async () => {
    const entry = named('mnist_opt')
    await assert.rejects(
      quantizeFile(runtime, quick(entry, { output: join(sharedFolder, 'models', '.', entry.file) })),
      UsageError,
    )
  })

  it('stops when it is told to, and leaves nothing', async () => {
    const abort = new AbortController()
    const output = join(folder, 'stopped.onnx')
    const run = quantizeFile(runtime, quick(named('kws_dscnn'), { output }), {
      signal: abort.signal,
      progress: (event) => {
        if (event.step === 'calibrate') abort.abort()
      },
    })
    await assert.rejects(run, CancelledError)
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('stopped')),
      [],
    )
  })
})
