// AIMET's encodings both ways, as the table of docs/quantization.md: aimet-onnx reads what `--encodings` wrote and writes it again, and
// makes a Q/DQ model of it; and `--encodings-from` reads what aimet-onnx exported. Grids are compared one by one, outputs in simulation.
// Usage: PYTHON=python3 node --import tsx bench/encodings.ts [word…]
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseSamples } from '../src/data/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { openSamples, quantizeFile } from '../src/pipeline/index.node.ts'
import type { QuantizeRecipe } from '../src/pipeline/index.ts'
import { readEncodings } from '../src/quantize/index.ts'
import { encodingForms, parseRecipe } from '../src/recipe/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { type Runtime, type Values, withSession } from '../src/runtime/index.ts'
import { type ManifestEntry, manifestEntries, noModels, recipeFor } from '../test/support/manifest.ts'
import { randomFeeds } from '../test/support/rewrite-conformance.ts'
import { peerVersions, runPeer, writeSamples } from './peers/run-peer.ts'

const SAMPLES = 16
const python = process.env['PYTHON'] ?? 'python3'
const usual = ['mobilenet_v1_0.25_224', 'mcunet-256kb-1mb', 'cifar10_resnet20', 'kws_dscnn', 'resnet8_cifar10']
const words = process.argv.length > 2 ? process.argv.slice(2) : usual

/** Grids of `ours` that `theirs` has too, and how many of them are the same numbers. */
function equalGrids(ours: string, theirs: string): string {
  const read = (path: string) => readEncodings(JSON.parse(readFileSync(path, 'utf8')), path).grids
  const found = new Map(read(theirs).map((grid) => [grid.name, grid]))
  const both = read(ours).flatMap((grid) => (found.has(grid.name) ? [[grid, found.get(grid.name)] as const] : []))
  const unsigned = (zero: number, signed: boolean, bits: number) => zero + (signed ? 2 ** (bits - 1) : 0)
  const equal = both.filter(
    ([a, b]) =>
      b !== undefined &&
      a.bits === b.bits &&
      a.scale.length === b.scale.length &&
      a.scale.every((scale, i) => Math.fround(scale) === Math.fround(b.scale[i] ?? 0)) &&
      a.zeroPoint.every(
        (zero, i) => unsigned(zero, a.signed, a.bits) === unsigned(b.zeroPoint[i] ?? 0, b.signed, b.bits),
      ),
  )
  return `${equal.length} of ${both.length}`
}

/** Share of output elements that are the same, and the largest difference as a share of the largest output. */
async function equalOutputs(runtime: Runtime, a: string, b: string): Promise<string> {
  const [first, second] = [await readModelFile(a), await readModelFile(b)]
  const outputs = async (model: typeof first) => {
    const all: number[] = []
    for (let seed = 1; seed <= SAMPLES; seed++)
      await withSession(runtime, model, { simulate: true }, async (session) => {
        const values: Values = await session.run(randomFeeds(first, seed))
        for (const { data } of Object.values(values)) all.push(...Array.from(data, Number))
      })
    return all
  }
  const [x, y] = [await outputs(first), await outputs(second)]
  const same = x.filter((value, i) => value === y[i]).length / x.length
  const far = x.reduce((most, value, i) => Math.max(most, Math.abs(value - (y[i] ?? 0))), 0)
  const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return `${(100 * same).toFixed(1)} % (${(far / largest).toExponential(1)})`
}

async function rows(runtime: Runtime, entry: ManifestEntry, folder: string): Promise<void> {
  const recipe = recipeFor(entry, { output: join(folder, 'ours.onnx'), samples: SAMPLES })
  const dataset = await openSamples(recipe, await readModelFile(recipe.model))
  const samples = await writeSamples(dataset, chooseSamples(dataset.size, SAMPLES), folder)
  for (const [index, form] of encodingForms.entries()) {
    const run = await quantizeFile(runtime, { ...recipe, effort: 'default', encodings: form, force: true })
    if (!run.encodings) continue
    const [qdq, again] = [join(folder, 'peer.onnx'), join(folder, 'peer.json')]
    const script = join(import.meta.dirname, 'peers', 'aimet_encodings.py')
    execFileSync(python, [script, run.encodings.model, run.encodings.file, qdq, again], { stdio: 'pipe' })
    const out = `${equalGrids(run.encodings.file, again)} | ${await equalOutputs(runtime, run.output, qdq)}`
    const theirs = join(folder, 'theirs.onnx')
    const peer = runPeer('aimet_export.py', `version-${index + 1}`, recipe.model, theirs, samples, folder)
    const stem = join(folder, 'theirs.float')
    const back = peer.made
      ? await taken(runtime, `${stem}.onnx`, `${stem}.encodings`, theirs, folder, form)
      : (peer.note ?? '')
    console.log(`| ${entry.file.replace('.onnx', '')} | ${form} | ${out} | ${back} |`)
  }
}

/** What `--encodings-from` makes of an export, beside the peer's own Q/DQ model. */
async function taken(
  runtime: Runtime,
  model: string,
  encodingsFrom: string,
  theirs: string,
  folder: string,
  encodings: QuantizeRecipe['encodings'],
): Promise<string> {
  const output = join(folder, 'taken.onnx')
  const recipe = parseRecipe('quantize', { model, encodingsFrom, output, force: true, encodings })
  const run = await quantizeFile(runtime, recipe)
  return `${run.encodings ? equalGrids(run.encodings.file, encodingsFrom) : ''} | ${await equalOutputs(runtime, output, theirs)}`
}

if (noModels) console.log(noModels)
const versions = peerVersions(['aimet-onnx'])
const runtime = await openRuntime()
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
try {
  console.log(`Versions: ${runtime.name} ${runtime.version}; in Python ${JSON.stringify(versions)}.\n`)
  console.log(
    '| model | form | ours, read by aimet-onnx: equal grids | its Q/DQ model: equal outputs | its export, taken: equal grids | equal outputs |\n|---|---|---|---|---|---|',
  )
  if (versions['aimet-onnx'])
    for (const entry of manifestEntries())
      if (words.some((word) => entry.file.includes(word))) await rows(runtime, entry, folder)
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
