// Settings of `compress --finetune`, or with a share of 1 of `finetune --qat`, compared without the test samples: the training
// samples are split, six parts of seven are compressed and trained with, and the seventh scores. One line a setting; the settings
// take turns over the seeds.
// Usage: node --import tsx bench/finetune-settings.ts MODEL SHARE EPOCHS [key=value,key=value]…
//   e.g. cifar10_resnet20 0.3 10 optimizer=adam optimizer=muon,batch=64, or cifar10_resnet20 1 5 qat=true,weightBits=4
//   Keys are those of the finetune recipe; `default`: none.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { readModelFile } from '../src/onnx/index.node.ts'
import { movedPictures } from '../src/pipeline/compress/next/finetune.node.ts'
import { compareFiles, compressFile, finetuneFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { manifestEntries, noModels, recipeFor } from '../test/support/manifest.ts'

if (noModels) throw new Error(noModels)
const [word = 'cifar10_resnet20', share = '0.3', epochs = '10', ...settings] = process.argv.slice(2)
const SEEDS = Number(process.env['SEEDS'] ?? 1)
/** Every so many records one is held back to score. */
const SCORED = 7

const entry = manifestEntries().find(({ file }) => file.includes(word))
if (!entry) throw new Error(`no model of the manifest has "${word}" in its name`)
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
const runtime = await openRuntime()

/** Two descriptions of parts of one file, records or rows: those that are trained with, and those that score. */
function split(description: string): { train: string; validation: string } {
  const { file, ...rest } = JSON.parse(readFileSync(description, 'utf8')) as Description
  const write = (name: string, more: object): string => {
    writeFileSync(join(folder, `${name}.json`), JSON.stringify({ ...rest, ...more }))
    return join(folder, `${name}.json`)
  }
  const source = join(dirname(description), file)
  const { recordBytes, rows } = rest
  if (recordBytes === undefined) {
    const [from, to] = rows ?? [0, rest.shape?.[0] ?? 0]
    const middle = to - Math.floor((to - from) / SCORED)
    copyFileSync(source, join(folder, file))
    return {
      train: write('train', { file, rows: [from, middle] }),
      validation: write('validation', { file, rows: [middle, to] }),
    }
  }
  const bytes = readFileSync(source)
  const records = Array.from({ length: bytes.length / recordBytes }, (_, i) =>
    bytes.subarray(i * recordBytes, (i + 1) * recordBytes),
  )
  const part = (name: string, kept: (index: number) => boolean): string => {
    writeFileSync(join(folder, `${name}.bin`), Buffer.concat(records.filter((_, i) => kept(i))))
    return write(name, { file: `${name}.bin` })
  }
  return { train: part('train', (i) => i % SCORED !== 0), validation: part('validation', (i) => i % SCORED === 0) }
}

interface Description {
  readonly file: string
  readonly recordBytes?: number
  readonly rows?: readonly [number, number]
  readonly shape?: readonly number[]
}

/** "a=1,b=x" as keys of a recipe. */
function keysOf(setting: string): Record<string, unknown> {
  const pairs = setting === 'default' ? [] : setting.split(',').map((pair) => pair.split('='))
  return Object.fromEntries(
    pairs.map(([key = '', value = '']) => {
      if (value === 'true' || value === 'false') return [key, value === 'true']
      return [key, key === 'match' ? [value] : Number.isNaN(Number(value)) ? value : Number(value)]
    }),
  )
}

try {
  const { model, data, preprocess } = recipeFor(entry)
  if (data === undefined) throw new Error(`${entry.file} has no data to train with`)
  const { train, validation } = split(data)
  const scaled = preprocess === undefined ? {} : { preprocess }
  const small = join(folder, 'small.onnx')
  const compress = { model, data: train, output: small, macs: [Number(share)], ...scaled }
  const whole = Number(share) === 1
  if (whole) copyFileSync(model, small)
  else await compressFile(runtime, parseRecipe('compress', compress))
  const moved = movedPictures(await readModelFile(small))
  console.log('| setting | seed | top-1, else agreement | divergence | loss at the end | seconds |')
  for (let seed = 0; seed < SEEDS; seed++)
    for (const setting of settings) {
      const recipe = {
        ...{ model: small, data: train, ...(whole ? {} : { teacher: model }), ...scaled },
        ...{ output: join(folder, 'tuned.onnx'), epochs: Number(epochs), seed, ...moved, ...keysOf(setting) },
      }
      const started = performance.now()
      const { tuned } = await finetuneFile(runtime, parseRecipe('finetune', recipe))
      const seconds = (performance.now() - started) / 1000
      const compare = { model, other: recipe.output, data: validation, ...scaled }
      const { comparison } = await compareFiles(runtime, parseRecipe('compare', compare))
      const [top1 = Number.NaN, kl = Number.NaN] = [comparison.metric?.after ?? comparison.agreement, comparison.kl]
      const loss = tuned.result.history.at(-1)?.loss ?? Number.NaN
      const cells = [setting, seed, `${(100 * top1).toFixed(1)} %`, kl.toFixed(3), loss.toFixed(3), seconds.toFixed(0)]
      console.log(`| ${cells.join(' | ')} |`)
    }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
