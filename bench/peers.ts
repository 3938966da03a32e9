// The comparison of docs/comparison.md: onnxpress, onnxruntime's quantiser, NNCF and aimet-onnx calibrate on the same 64
// samples; every file is scored on the same other samples in the same runtime. A peer that is not installed is left out.
// Usage: PYTHON=python3 node --import tsx bench/peers.ts [word…]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../src/base/index.ts'
import { chooseSamples } from '../src/data/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { openSamples, quantizeFile } from '../src/pipeline/index.node.ts'
import type { QuantizeRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import type { Runtime } from '../src/runtime/index.ts'
import { type ManifestEntry, manifestEntries, noModels, recipeFor } from '../test/support/manifest.ts'
import { type PeerResult, peerVersions, runPeer, writeSamples } from './peers/run-peer.ts'
import { openScoring, type Score } from './score-file.ts'

/** One row of a model's table. */
type Way = { readonly name: string; readonly weights: QuantizeRecipe['weights'] } & (
  | { readonly recipe: Partial<QuantizeRecipe> }
  | { readonly package: string; readonly script: string; readonly form: string }
)

const peer = (name: string, weights: Way['weights'], of: string, script: string, form?: string): Way => ({
  name,
  weights,
  package: of,
  script,
  form: form ? `${weights}+${form}` : weights,
})

const peers = (weights: Way['weights']): Way[] => [
  peer('onnxruntime.quantization', weights, 'onnxruntime', 'onnxruntime_static.py'),
  peer('NNCF', weights, 'nncf', 'nncf_static.py'),
  peer('NNCF, BatchNorm folded before', weights, 'nncf', 'nncf_static.py', 'folded'),
  peer('aimet-onnx', weights, 'aimet-onnx', 'aimet_static.py'),
  peer('aimet-onnx, tf-enhanced ranges', weights, 'aimet-onnx', 'aimet_static.py', 'tf-enhanced'),
  peer('aimet-onnx, equalised', weights, 'aimet-onnx', 'aimet_static.py', 'equalized'),
]

const ways: readonly Way[] = [
  { name: '**onnxpress**', weights: 'per-channel', recipe: {} },
  ...peers('per-channel'),
  { name: '**onnxpress**', weights: 'per-tensor', recipe: {} },
  { name: '**onnxpress**, `--clip exact`', weights: 'per-tensor', recipe: { clip: 'exact' } },
  ...peers('per-tensor'),
]

const usual = ['mobilenet_v1_0.25_224', 'mcunet-256kb-1mb', 'cifar10_resnet20', 'kws_dscnn', 'resnet8_cifar10']
const words = process.argv.length > 2 ? process.argv.slice(2) : usual
const percent = (share: number) => (100 * share).toFixed(1)
const points = (share: number) => `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(1)}`

function cells({ comparison, layers, speed }: Score): string {
  const { metric, agreement, sqnrDb } = comparison
  const db = Object.values(sqnrDb)[0]
  return [
    metric ? percent(metric.after) : '',
    metric ? `${points(metric.difference)} (${points(metric.interval.low)} to ${points(metric.interval.high)})` : '',
    agreement === undefined ? '' : percent(agreement),
    db === null || db === undefined ? 'exact' : db.toFixed(1).replace('-', '−'),
    `${layers.integer} of ${layers.total}`,
    speed.toFixed(2),
  ].join(' | ')
}

/** Prints the table of one model. */
async function compareModel(runtime: Runtime, entry: ManifestEntry, folder: string): Promise<void> {
  const output = join(folder, 'out.onnx')
  const recipe = recipeFor(entry, { output })
  const dataset = await openSamples(recipe, await readModelFile(recipe.model))
  const chosen = chooseSamples(dataset.size, recipe.samples)
  const samples = await writeSamples(dataset, chosen, folder)
  const make = async (way: Way): Promise<PeerResult> => {
    if (!('recipe' in way)) return runPeer(way.script, way.form, recipe.model, output, samples, folder)
    await quantizeFile(runtime, { ...recipe, ...way.recipe, weights: way.weights })
    return { made: true }
  }
  const score = await openScoring(runtime, recipe, dataset, chosen)
  const notes: string[] = []
  let head = true
  for (const way of ways) {
    if ('package' in way && !versions[way.package]) continue
    const label = `${way.name} | ${way.weights.replace('-', ' ')}`
    const { made, note } = await make(way)
    if (note) notes.push(`${way.name}, ${way.weights.replace('-', ' ')}: ${note}.`)
    if (!made) continue
    try {
      const scored = await score(output)
      const { metric } = scored.comparison
      if (head && metric)
        console.log(
          `\n### ${entry.file.replace('.onnx', '')}\n\nFloat: ${percent(metric.before)} % of ${metric.samples} samples.\n\n| tool | weights | top-1, % | change, points (95 %) | agreement, % | SQNR, dB | integer layers | float ÷ int8 time |\n|---|---|---|---|---|---|---|---|`,
        )
      head = false
      console.log(`| ${label} | ${cells(scored)} |`)
    } catch (error) {
      notes.push(`${label.replace(' | ', ', ')}: its file does not run (${messageOf(error).slice(0, 160)}).`)
    }
  }
  if (notes.length > 0) console.log(`\n${notes.join('\n\n')}`)
}

if (noModels) console.log(noModels)
const wanted = [...new Set(ways.flatMap((way) => ('package' in way ? [way.package] : [])))]
const versions = peerVersions(wanted)
const runtime = await openRuntime()
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
try {
  console.log(
    `Versions: ${runtime.name} ${runtime.version}, ${runtime.threads} threads; in Python ${JSON.stringify(versions)}.`,
  )
  for (const name of wanted.filter((name) => !versions[name])) console.log(`${name} is not installed and left out.`)
  for (const entry of manifestEntries())
    if (entry.metric === 'top1' && words.some((word) => entry.file.includes(word)))
      await compareModel(runtime, entry, folder)
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
