// Accuracy side by side: onnxpress and onnxruntime's static quantiser (per channel, min-max) on the same 64 samples, scored
// on the same other samples in the same runtime. Usage: PYTHON=python3 node --import tsx bench/accuracy.ts [word…]
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { concatValues, type TensorValue } from '../src/base/index.ts'
import { chooseSamples, type Dataset, readSamples } from '../src/data/index.ts'
import { type Comparison, compareSessions } from '../src/metrics/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { layerCounts, openSamples, quantizeFile, readBatches, scoringSamples } from '../src/pipeline/index.node.ts'
import type { QuantizeRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { observeShapes, type Runtime, withSession } from '../src/runtime/index.ts'
import { manifestEntries, recipeFor } from '../test/manifest.ts'

const python = process.env['PYTHON'] ?? 'python3'
const words = process.argv.slice(2)

/** The peer's result on the calibration samples, or the reason why there is none. */
async function runPeer(
  recipe: QuantizeRecipe,
  dataset: Dataset,
  chosen: readonly number[],
  folder: string,
  output: string,
): Promise<string | undefined> {
  const rows = new Map<string, TensorValue[]>()
  for await (const sample of readSamples(dataset, chosen))
    for (const [name, value] of Object.entries(sample.inputs)) rows.set(name, [...(rows.get(name) ?? []), value])
  const files = [...rows].map(([name, values], index) => {
    const path = join(folder, `input${index}.npy`)
    writeFileSync(path, npy(concatValues(values)))
    return `${name}=${path}`
  })
  try {
    execFileSync(
      python,
      [join(import.meta.dirname, 'peers', 'onnxruntime_static.py'), resolve(recipe.model), output, ...files],
      { stdio: 'pipe', cwd: folder },
    )
    return undefined
  } catch (error) {
    return error instanceof Error
      ? (
          error.message
            .split('\n')
            .filter((line) => /Error|error/.test(line))
            .at(-1) ?? error.message
        ).slice(0, 160)
      : String(error)
  }
}

/** A .npy file, version 1. */
function npy({ dtype, dims, data }: TensorValue): Uint8Array {
  const kind = { float32: '<f4', int32: '<i4', int64: '<i8', uint8: '|u1' }[dtype as string] ?? '<f4'
  const text = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${dims.join(', ')},), }`
  const header = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`
  const length = header.length
  return Buffer.concat([
    Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 255, length >> 8]),
    Buffer.from(header, 'latin1'),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ])
}

async function score(
  runtime: Runtime,
  recipe: QuantizeRecipe,
  dataset: Dataset,
  chosen: readonly number[],
  file: string,
): Promise<Comparison> {
  const model = await readModelFile(recipe.model)
  const scoring = await scoringSamples(recipe, model, dataset, chosen, 5000)
  const shapes = await observeShapes(runtime, model, (await dataset.sample(0)).inputs)
  return withSession(runtime, model, {}, (before) =>
    withSession(runtime, readFileSync(file), {}, (after) =>
      compareSessions(
        before,
        after,
        readBatches(scoring.dataset, scoring.indices, model, shapes),
        scoring.indices.length,
      ),
    ),
  )
}

const show = ({ metric, sqnrDb }: Comparison) => {
  const db = Object.values(sqnrDb)[0]
  const noise = db === null || db === undefined ? 'exact' : `${db.toFixed(1)} dB`
  return metric ? `${(100 * metric.before).toFixed(2)} → ${(100 * metric.after).toFixed(2)} ${noise}` : noise
}

const runtime = await openRuntime()
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
try {
  console.log('| model | onnxpress: metric, SQNR | integer layers | onnxruntime: metric, SQNR |\n|---|---|---|---|')
  for (const entry of manifestEntries()) {
    if (entry.metric === null || (words.length > 0 && !words.some((word) => entry.file.includes(word)))) continue
    const ours = join(folder, 'ours.onnx')
    const theirs = join(folder, 'theirs.onnx')
    rmSync(theirs, { force: true })
    const recipe = recipeFor(entry, { effort: 'fast', output: ours })
    if (recipe.data === 'random') continue
    const run = await quantizeFile(runtime, recipe)
    const dataset = await openSamples(recipe, await readModelFile(recipe.model))
    const chosen = chooseSamples(dataset.size, recipe.samples)
    const failed = await runPeer(recipe, dataset, chosen, folder, theirs)
    const counts = layerCounts(run)
    const mine = show(await score(runtime, recipe, dataset, chosen, ours))
    const peer =
      failed ??
      (await score(runtime, recipe, dataset, chosen, theirs).then(show, (error: Error) => error.message.slice(0, 120)))
    console.log(`| ${entry.file} | ${mine} | ${counts.integer} of ${counts.total} | ${peer} |`)
  }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
