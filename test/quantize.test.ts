import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { CancelledError, UnsupportedError, UsageError } from '../src/base/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { layerCounts, quantizeFile, quantizeReport } from '../src/pipeline/index.node.ts'
import { parseRecipe, type QuantizeRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import type { Runtime } from '../src/runtime/index.ts'

const shared = process.env['ONNXPRESS_SHARED'] ?? '../shared'
const manifest = join(shared, 'models', 'manifest.json')
const data = join(shared, 'data')
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-quantize-'))
after(() => rmSync(folder, { recursive: true }))

interface Entry {
  readonly file: string
  readonly task: string
  readonly expect: string
  readonly inputs: readonly { name: string; dtype: string; shape: readonly (number | string | null)[] }[]
  readonly outputs: readonly { name: string }[]
  readonly preprocess: Record<string, unknown> | null
  readonly data: { path: string } | null
  readonly example: { feeds: Record<string, { shape: number[] }> } | null
}

/** The calibration samples of a model, as a data set description; models without data get random inputs. */
function recipeOf(entry: Entry, more: Partial<QuantizeRecipe> = {}): QuantizeRecipe {
  const path = entry.data?.path ?? ''
  const known = Object.entries({
    imagenet: 'imagenet-even/dataset.json',
    cifar10: 'cifar10/train.json',
    mnist: 'mnist/test.json',
    kws: 'kws/calibration.json',
    magika: 'magika/dataset.json',
    babyllama: 'babyllama/samples.json',
  }).find(([word]) => path.includes(word))
  const shapes = Object.entries(entry.example?.feeds ?? {}).filter(([, feed]) => feed.shape.length > 0)
  const recipe = parseRecipe({
    command: 'quantize',
    model: join(shared, 'models', entry.file),
    data: known ? join(data, known[1]) : 'random',
    samples: 4,
    effort: 'fast',
    output: join(folder, `${basename(entry.file)}.int8.onnx`),
    ...(known ? {} : { shape: Object.fromEntries(shapes.map(([name, feed]) => [name, feed.shape])) }),
    ...(entry.preprocess && 'scale' in entry.preprocess ? { preprocess: entry.preprocess } : {}),
    ...more,
  })
  assert.equal(recipe.command, 'quantize')
  return recipe as QuantizeRecipe
}

describe('quantising the models of the manifest', () => {
  if (!existsSync(manifest)) {
    it('gives a valid int8 file for each', { skip: `no models at ${manifest}; drawn models are tested` }, () => {})
    return
  }
  let runtime: Runtime
  before(async () => {
    runtime = await openRuntime()
  })
  after(() => runtime.close())
  const entries = JSON.parse(readFileSync(manifest, 'utf8')) as Entry[]
  const named = (word: string): Entry => {
    const entry = entries.find(({ file }) => file.includes(word))
    assert.ok(entry)
    return entry
  }

  for (const entry of entries) {
    if (entry.expect === 'must-reject-clearly') {
      it(`refuses ${entry.file} in one sentence and writes nothing`, async () => {
        const recipe = recipeOf(entry, { data: 'random' })
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
      const run = await quantizeFile(runtime, recipeOf(entry))
      const counts = layerCounts(run)
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
    const first = readFileSync((await quantizeFile(runtime, recipeOf(entry))).output)
    const second = readFileSync(
      (await quantizeFile(runtime, recipeOf(entry, { output: join(folder, 'again.onnx') }))).output,
    )
    assert.deepEqual(first, second)
  })

  it('measures what it wrote, layer by layer', async () => {
    const run = await quantizeFile(
      runtime,
      recipeOf(named('kws_dscnn'), { samples: 32, effort: 'default', val: join(data, 'kws/test.json') }),
    )
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

  it('calls a dead model dead: mobilenet with one scale a weight', async () => {
    const run = await quantizeFile(
      runtime,
      recipeOf(named('mobilenet_v1_0.25_224'), { weights: 'per-tensor', effort: 'default', samples: 16 }),
    )
    assert.equal(quantizeReport(run, runtime).verdict.tone, 'dead')
  })

  it('leaves out what --exclude names, and refuses a pattern that fits nothing', async () => {
    const entry = named('cifar10_resnet20')
    const all = layerCounts(await quantizeFile(runtime, recipeOf(entry)))
    const less = layerCounts(await quantizeFile(runtime, recipeOf(entry, { exclude: ['Gemm'] })))
    assert.equal(less.integer, all.integer - 1)
    await assert.rejects(
      quantizeFile(runtime, recipeOf(entry, { exclude: ['nothing*'] })),
      /--exclude "nothing\*" fits no node/,
    )
  })

  it('quantises weights only', async () => {
    const run = await quantizeFile(runtime, recipeOf(named('cifar10_resnet20'), { mode: 'weights' }))
    assert.equal(layerCounts(run).integer, 0)
    assert.ok(run.sizeBytes.after < 0.4 * run.sizeBytes.before)
  })

  it('never writes over the input', async () => {
    const entry = named('mnist_opt')
    await assert.rejects(
      quantizeFile(runtime, recipeOf(entry, { output: join(shared, 'models', '.', entry.file) })),
      UsageError,
    )
  })

  it('stops when it is told to, and leaves nothing', async () => {
    const abort = new AbortController()
    const output = join(folder, 'stopped.onnx')
    const run = quantizeFile(runtime, recipeOf(named('kws_dscnn'), { output }), {
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
