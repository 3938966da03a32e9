// Accuracy side by side: onnxpress and onnxruntime's static quantiser (per channel, min-max) on the same 64 samples, scored
// on the same other samples in the same runtime. Usage: PYTHON=python3 node --import tsx bench/accuracy.ts [word…]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseSamples } from '../src/data/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { layerCounts, openSamples, quantizeFile } from '../src/pipeline/index.node.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { manifestEntries, recipeFor } from '../test/support/manifest.ts'
import { runPeer, writeSamples } from './peers/run-peer.ts'
import { openScoring, type Score } from './score-file.ts'

const words = process.argv.slice(2)

const show = ({ comparison: { metric, sqnrDb } }: Score) => {
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
    const recipe = recipeFor(entry, { effort: 'fast', output: ours })
    if (recipe.data === 'random') continue
    const run = await quantizeFile(runtime, recipe)
    const dataset = await openSamples(recipe, await readModelFile(recipe.model))
    const chosen = chooseSamples(dataset.size, recipe.samples)
    const samples = await writeSamples(dataset, chosen, folder)
    const { made, note } = runPeer('onnxruntime_static.py', 'per-channel', recipe.model, theirs, samples, folder)
    const counts = layerCounts(run)
    const score = await openScoring(runtime, recipe, dataset, chosen)
    const mine = show(await score(ours))
    const peer = made ? await score(theirs).then(show, (error: Error) => error.message.slice(0, 120)) : note
    console.log(`| ${entry.file} | ${mine} | ${counts.integer} of ${counts.total} | ${peer} |`)
  }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
