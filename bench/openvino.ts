// Files of `--target openvino` in OpenVINO itself, as the table of docs/quantization.md: the same samples there and in our simulation.
// Usage: PYTHON=python3 node --import tsx bench/openvino.ts [word…]
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseSamples, readSamples } from '../src/data/index.ts'
import { sqnrDb } from '../src/math/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { openSamples, quantizeFile } from '../src/pipeline/index.node.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { type Runtime, withSession } from '../src/runtime/index.ts'
import { type ManifestEntry, manifestEntries, noModels, recipeFor } from '../test/support/manifest.ts'
import { peerVersions, writeSamples } from './peers/run-peer.ts'

/** Samples that both run: the last ones, which calibration mostly did not see. */
const SAMPLES = 256
const python = process.env['PYTHON'] ?? 'python3'
const usual = ['mobilenet_v1_0.25_224', 'mcunet-256kb-1mb', 'cifar10_resnet20', 'kws_dscnn', 'resnet8_cifar10']
const words = process.argv.length > 2 ? process.argv.slice(2) : usual

const largest = (row: Float32Array) => row.indexOf(row.reduce((most, value) => Math.max(most, value)))

async function row(runtime: Runtime, entry: ManifestEntry, folder: string): Promise<string> {
  const output = join(folder, 'out.onnx')
  const recipe = recipeFor(entry, { output, target: 'openvino', force: true })
  await quantizeFile(runtime, recipe)
  const dataset = await openSamples(recipe, await readModelFile(recipe.model))
  const chosen = chooseSamples(dataset.size, Math.min(SAMPLES, dataset.size))
  const samples = await writeSamples(dataset, chosen, folder)
  const theirs = join(folder, 'theirs.npy')
  const script = join(import.meta.dirname, 'peers', 'openvino_run.py')
  const said = execFileSync(python, [script, output, theirs, ...samples], { encoding: 'utf8' })
  const ours: Float32Array[] = []
  await withSession(runtime, await readModelFile(output), { simulate: true }, async (session) => {
    for await (const { inputs } of readSamples(dataset, chosen)) {
      const [first] = Object.values(await session.run(inputs))
      ours.push(Float32Array.from(first?.data ?? [], Number))
    }
  })
  const width = ours[0]?.length ?? 0
  const other = npyFloats(theirs)
  const rows = ours.map((_, i) => other.subarray(i * width, (i + 1) * width))
  const agreeing = ours.filter((mine, i) => largest(mine) === largest(rows[i] ?? mine)).length
  const db = sqnrDb(Float32Array.from(ours.flatMap((each) => [...each])), Float32Array.from(other))
  const layers = /layers: (.*)/.exec(said)?.[1] ?? ''
  return `| ${entry.file.replace('.onnx', '')} | ${ours.length} | ${((100 * agreeing) / ours.length).toFixed(1)} | ${db === null ? 'exact' : db.toFixed(1)} | ${layers} |`
}

/** The numbers of a .npy file of float32. */
function npyFloats(path: string): Float32Array {
  const bytes = readFileSync(path)
  return new Float32Array(new Uint8Array(bytes.subarray(10 + bytes.readUInt16LE(8))).buffer)
}

if (noModels) console.log(noModels)
const versions = peerVersions(['openvino'])
const runtime = await openRuntime()
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
try {
  console.log(`Versions: ${runtime.name} ${runtime.version}; in Python ${JSON.stringify(versions)}.\n`)
  console.log(
    '| model | samples | agreement with ours, % | SQNR against ours, dB | layers in integers there |\n|---|---|---|---|---|',
  )
  if (versions['openvino'])
    for (const entry of manifestEntries())
      if (entry.metric === 'top1' && words.some((word) => entry.file.includes(word)))
        console.log(await row(runtime, entry, folder))
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
