// Accuracy of trainings on the shared models: one line a figure.
// Usage: node --import tsx bench/training.ts [word of a case]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseSamples } from '../src/data/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { finetuneFile, openSamples, quantizeFile } from '../src/pipeline/index.node.ts'
import { type FinetuneRecipe, parseRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { tuneBias } from '../src/train/index.ts'
import { manifestEntries, noModels, recipeFor, sharedFolder } from '../test/manifest.ts'

if (noModels) throw new Error(noModels)
const word = process.argv[2] ?? ''
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
const runtime = await openRuntime()
const data = (name: string) => join(sharedFolder, 'data', name)

const cases: Readonly<Record<string, { model: string; data: string; val: string; more: Record<string, unknown> }>> = {
  'mnist from scratch': {
    model: 'classic_mnist_cnn.onnx',
    data: 'mnist/train.json',
    val: 'mnist/test.json',
    more: { fromScratch: true, epochs: 6 },
  },
  'kws W4A8': {
    model: 'mlperftiny_kws_dscnn.onnx',
    data: 'kws/calibration.json',
    val: 'kws/test.json',
    more: { qat: true, weightBits: 4 },
  },
  'kws W8A8': {
    model: 'mlperftiny_kws_dscnn.onnx',
    data: 'kws/calibration.json',
    val: 'kws/test.json',
    more: { qat: true },
  },
  'resnet20 W4A4': {
    model: 'cifar10_resnet20.onnx',
    data: 'cifar10/train.json',
    val: 'cifar10/test.json',
    more: { qat: true, weightBits: 4, activationBits: 4, epochs: 10, batch: 64, flip: true, shift: 2, holdBack: 0 },
  },
}

try {
  for (const [name, { model, data: train, val, more }] of Object.entries(cases)) {
    if (!name.includes(word)) continue
    const entry = manifestEntries().find(({ file }) => file === model)
    const scaled = entry?.preprocess && 'scale' in entry.preprocess ? { preprocess: entry.preprocess } : {}
    const recipe = parseRecipe({
      command: 'finetune',
      model: join(sharedFolder, 'models', model),
      data: data(train),
      val: data(val),
      output: join(folder, 'trained.onnx'),
      ...scaled,
      ...more,
    }) as FinetuneRecipe
    const run = await finetuneFile(runtime, recipe)
    const { metric } = run.comparison ?? {}
    const deployed = run.deployed?.agreement
    const share = (value: number | undefined) => (value === undefined ? '–' : `${(100 * value).toFixed(2)} %`)
    console.log(
      `${name}: ${share(metric?.before)} → ${share(metric?.after)} in ${run.tuned.result.history.length} epochs${deployed === undefined ? '' : `, deployed and simulated agree on ${share(deployed)}`}`,
    )
  }
  if ('bias tuning'.includes(word)) await biases()
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}

/** SQNR on held-back calibration samples before and after bias tuning, of every model with data. */
async function biases(): Promise<void> {
  for (const entry of manifestEntries()) {
    if (!entry.data || entry.expect !== 'quantizable') continue
    const output = join(folder, 'quantized.onnx')
    const recipe = recipeFor(entry, { effort: 'fast', output })
    try {
      await quantizeFile(runtime, recipe)
      const [float, quantized] = [await readModelFile(recipe.model), await readModelFile(output)]
      const dataset = await openSamples(recipe, float, recipe.data, 64)
      const tuned = await tuneBias(runtime, float, quantized, dataset, chooseSamples(dataset.size, 64), { seed: 0 })
      const text =
        tuned.left ?? `${tuned.before.toFixed(1)} → ${tuned.after.toFixed(1)} dB${tuned.kept ? '' : ', not kept'}`
      console.log(`biases of ${entry.file}: ${text}`)
    } catch (error) {
      console.log(`biases of ${entry.file}: ${error instanceof Error ? error.message : error}`)
    }
  }
}
