// Accuracy of trainings on the shared models: one line a figure.
// Usage: node --import tsx bench/training.ts [word of a case]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compressFile, finetuneFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { manifestEntries, noModels, recipeFor, sharedFolder } from '../test/support/manifest.ts'

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
    more: {
      ...{ qat: true, weightBits: 4, activationBits: 4, epochs: 5, flip: true, shift: 4, loss: 'distill' },
      ...{ optimizer: 'muon', match: ['auto'], matchWeight: 400 },
    },
  },
}

/** Compressed to a share of the multiplications, then trained with the original as teacher. */
const compressed: Readonly<Record<string, { model: string; macs: number[]; finetune: number }>> = {
  'resnet20 at 0.3': { model: 'cifar10_resnet20.onnx', macs: [0.3], finetune: 10 },
  'mnist at 0.42': { model: 'classic_mnist_cnn.onnx', macs: [0.42], finetune: 2 },
}

try {
  for (const [name, { model, data: train, val, more }] of Object.entries(cases)) {
    if (!name.includes(word)) continue
    const entry = manifestEntries().find(({ file }) => file === model)
    const scaled = entry?.preprocess && 'scale' in entry.preprocess ? { preprocess: entry.preprocess } : {}
    const recipe = parseRecipe('finetune', {
      model: join(sharedFolder, 'models', model),
      data: data(train),
      val: data(val),
      output: join(folder, 'trained.onnx'),
      ...scaled,
      ...more,
    })
    const run = await finetuneFile(runtime, recipe)
    const { metric } = run.comparison ?? {}
    const deployed = run.deployed?.agreement
    const share = (value: number | undefined) => (value === undefined ? '–' : `${(100 * value).toFixed(2)} %`)
    console.log(
      `${name}: ${share(metric?.before)} → ${share(metric?.after)} in ${run.tuned.result.history.length} epochs${deployed === undefined ? '' : `, deployed and simulated agree on ${share(deployed)}`}`,
    )
  }
  for (const [name, { model, ...more }] of Object.entries(compressed)) {
    if (!name.includes(word)) continue
    const entry = manifestEntries().find(({ file }) => file === model)
    if (!entry) continue
    const { model: file, data: train, val, preprocess } = recipeFor(entry)
    const given = { model: file, data: train, val, output: join(folder, 'small.onnx'), ...more }
    const recipe = parseRecipe('compress', preprocess === undefined ? given : { ...given, preprocess })
    const [point] = (await compressFile(runtime, recipe)).points
    const metrics = [point?.measures.comparison.metric, point?.tuned?.comparison?.metric]
    const [before, after] = metrics.map((metric) => `${(100 * (metric?.after ?? Number.NaN)).toFixed(2)} %`)
    console.log(`${name}: ${before} → ${after} in ${point?.tuned?.tuned.result.history.length} epochs`)
  }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
