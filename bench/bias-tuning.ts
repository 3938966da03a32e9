// What `quantize --tune bias` brings: SQNR of the outputs with and without it, on samples that neither calibration nor tuning saw.
// One line a model of the manifest; a model that has no other samples is scored on those its calibration left. Each model has a
// process of its own: one that fails, or takes too much memory, costs its own line.
// Usage: node --import tsx bench/bias-tuning.ts [word of a model]… [key=value of the recipe]…
//        e.g. mcunet weightBits=4, or kws weightBits=4 techniques=equalize,correct-bias
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../src/base/index.ts'
import { meanSqnrDb } from '../src/metrics/index.ts'
import { quantizeFile } from '../src/pipeline/index.node.ts'
import type { QuantizeRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { hasOwnTestSet, type ManifestEntry, manifestEntries, noModels, recipeFor } from '../test/support/manifest.ts'

if (noModels) throw new Error(noModels)
const words = process.argv.slice(2).filter((word) => !word.includes('='))
const settings = process.argv.slice(2).filter((word) => word.includes('='))
/** Fields of a recipe that are lists. */
const LISTS = ['techniques', 'exclude', 'only', 'keep8bit']
/** Samples to calibrate and to tune on: the same for both, so that both are scored on the same others. */
const SAMPLES = 360
/** Random inputs are made, half of them to score. */
const RANDOM_SAMPLES = 32
/** Milliseconds that a model may take. */
const PATIENCE = 3600e3

function settingOf(key: string, value: string): string | number | string[] {
  if (LISTS.includes(key)) return value.split(',')
  return Number.isNaN(Number(value)) ? value : Number(value)
}

/** Mean SQNR of the outputs on samples that the run did not use, and what the search said about the tuning. */
async function quantized(recipe: QuantizeRecipe): Promise<{ db: number; samples: number; verdict: string }> {
  const runtime = await openRuntime()
  try {
    const { comparison, ladder = [], notes } = await quantizeFile(runtime, recipe)
    if (notes.some((note) => note.includes('the same ones are scored')))
      throw new Error('there are no samples besides those it was calibrated with')
    if (!comparison) throw new Error(notes.find((note) => note.includes('left out')) ?? 'nothing was measured')
    const tuned = ladder.find(({ name }) => name === 'tuned')
    return {
      db: meanSqnrDb(comparison) ?? Number.NaN,
      samples: comparison.samples,
      verdict: tuned === undefined ? '' : `${tuned.kept ? 'kept' : 'dropped'}, ${tuned.reason}`,
    }
  } finally {
    await runtime.close()
  }
}

/** The line of one model. */
async function lineOf(entry: ManifestEntry): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
  try {
    const { data } = entry
    const most = data === null ? RANDOM_SAMPLES : hasOwnTestSet(entry) ? SAMPLES : Math.floor(0.8 * data.samples)
    const given = Object.fromEntries(
      settings.map((word) => {
        const [key = '', value = ''] = word.split('=')
        return [key, settingOf(key, value)]
      }),
    )
    const common = { output: join(folder, 'quantized.onnx'), samples: Math.min(SAMPLES, most), ...given }
    const plain = await quantized(recipeFor(entry, common))
    const tuned = await quantized(recipeFor(entry, { ...common, tune: 'bias' }))
    const cells = [entry.file, plain.samples, plain.db.toFixed(2), tuned.db.toFixed(2), tuned.verdict]
    return `| ${cells.join(' | ')} |`
  } catch (error) {
    return `| ${entry.file} | | | | ${messageOf(error)} |`
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const asked = manifestEntries().filter(
  ({ file, expect }) =>
    expect === 'quantizable' && (words.length === 0 || words.some((word) => file === word || file.includes(word))),
)
const [only] = asked
if (only && asked.length === 1) console.log(await lineOf(only))
else {
  console.log('| model | samples | SQNR, dB | with --tune bias | |')
  console.log('|---|---|---|---|---|')
  for (const { file } of asked) {
    const own = [...process.execArgv, fileURLToPath(import.meta.url), file, ...settings]
    const { stdout, status, signal } = spawnSync(process.execPath, own, {
      encoding: 'utf8',
      timeout: PATIENCE,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    console.log(status === 0 ? stdout.trim() : `| ${file} | | | | ended by ${signal ?? `exit code ${status}`} |`)
  }
}
