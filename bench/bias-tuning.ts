// What `quantize --tune bias` brings: SQNR of the outputs with and without it, on samples that neither calibration nor tuning saw.
// One line a model of the manifest; a model that has no other samples is scored on those its calibration left.
// Usage: node --import tsx bench/bias-tuning.ts [word of a model]… [key=value of the recipe]…     e.g. mcunet weightBits=4
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OnnxpressError } from '../src/base/index.ts'
import { quantizeFile } from '../src/pipeline/index.node.ts'
import type { QuantizeRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { manifestEntries, noModels, recipeFor } from '../test/manifest.ts'

if (noModels) throw new Error(noModels)
const words = process.argv.slice(2).filter((word) => !word.includes('='))
const given = Object.fromEntries(
  process.argv.slice(2).flatMap((word): [string, string | number][] => {
    const [key = '', value = ''] = word.split('=')
    return word.includes('=') ? [[key, Number.isNaN(Number(value)) ? value : Number(value)]] : []
  }),
)
/** Random inputs are as many as calibration takes by default: with fewer to calibrate on, some are left to score. */
const RANDOM_SAMPLES = 32
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
const runtime = await openRuntime()
const isAsked = (file: string) => words.length === 0 || words.some((word) => file.includes(word))

/** An exact output, when outputs are averaged. */
const EXACT_DB = 120

/** Mean SQNR of the outputs on samples that the run did not use, and what the ladder said about the tuning. */
async function quantized(recipe: QuantizeRecipe): Promise<{ db: number; samples: number; rung: string }> {
  const { comparison, ladder = [], notes } = await quantizeFile(runtime, recipe)
  if (notes.some((note) => note.includes('the same ones are scored')))
    throw new Error(`${recipe.model}: scored on what it was calibrated with`)
  if (!comparison) throw new Error(`${recipe.model}: no samples were left to score`)
  const each = Object.values(comparison.sqnrDb).map((db) => Math.min(db ?? EXACT_DB, EXACT_DB))
  const tuned = ladder.find(({ name }) => name === 'tuned')
  return {
    db: each.reduce((a, b) => a + b, 0) / each.length,
    samples: comparison.samples,
    rung: tuned === undefined ? 'no bias' : tuned.kept ? 'kept' : 'dropped',
  }
}

try {
  console.log('| model | samples | SQNR, dB | with --tune bias | |')
  console.log('|---|---|---|---|---|')
  for (const entry of manifestEntries()) {
    if (entry.expect !== 'quantizable' || !isAsked(entry.file)) continue
    const few = entry.data === null ? { samples: RANDOM_SAMPLES } : {}
    const common = { output: join(folder, 'quantized.onnx'), ...few, ...given }
    try {
      const plain = await quantized(recipeFor(entry, common))
      const tuned = await quantized(recipeFor(entry, { ...common, tune: 'bias' }))
      const cells = [entry.file, plain.samples, plain.db.toFixed(1), tuned.db.toFixed(1), tuned.rung]
      console.log(`| ${cells.join(' | ')} |`)
    } catch (error) {
      if (!(error instanceof OnnxpressError)) throw error
      console.log(`| ${entry.file} | | | | ${error.message} |`)
    }
  }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
