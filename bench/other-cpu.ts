// A file and its repaired form on emulated processors: what each gives, against the simulation of both. Needs qemu-x86_64 (Debian: qemu-user).
// Usage: node --import tsx bench/other-cpu.ts MODEL.onnx DATA [CPU…]   default: Haswell (AVX2 without VNNI); host runs on this processor
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { sqnrDb } from '../src/math/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { compareInDepth, openSamples, quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/recipe/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { type Values, withSession } from '../src/runtime/index.ts'

const [model, data, ...others] = process.argv.slice(2)
if (model === undefined || data === undefined) throw new Error('usage: bench/other-cpu.ts MODEL.onnx DATA [CPU…]')
const cpus = others.length > 0 ? others : ['host', 'Haswell']
const runner = resolve(import.meta.dirname, 'run-file.mjs')
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
const runtime = await openRuntime()

/** The first output of a file on an emulated processor. */
function emulated(cpu: string, file: string, feeds: string): Float32Array {
  const words = [process.execPath, runner, file, feeds]
  const [command = '', ...rest] = cpu === 'host' ? words : ['qemu-x86_64', '-cpu', cpu, ...words]
  const outputs = JSON.parse(execFileSync(command, rest, { encoding: 'utf8', maxBuffer: 1 << 28 })) as Record<
    string,
    number[]
  >
  return Float32Array.from(Object.values(outputs)[0] ?? [])
}

async function simulated(file: string, inputs: Values): Promise<Float32Array> {
  return withSession(runtime, await readModelFile(file), { simulate: true }, async (session) => {
    const [first] = Object.values(await session.run(inputs))
    return first?.data as Float32Array
  })
}

try {
  const [quantised, repaired, feeds] = ['q.onnx', 'repaired.onnx', 'feeds.json'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const recipe = parseRecipe('quantize', { model, data, effort: 'fast', output: quantised, force: true })
  await quantizeFile(runtime, recipe)
  await compareInDepth(
    runtime,
    parseRecipe('compare', { model, other: quantised, data, deep: true, repair: repaired, samples: 4 }),
  )
  const { inputs } = await (await openSamples(recipe, await readModelFile(model), data)).sample(1)
  const plain = Object.entries(inputs).map(([name, value]) => ({
    name,
    dims: value.dims,
    data: Array.from(value.data as Float32Array),
  }))
  writeFileSync(feeds, JSON.stringify(plain))
  console.log('| processor | as written, dB from the simulation | repaired |\n|---|---|---|')
  const as = await Promise.all([quantised, repaired].map((file) => simulated(file, inputs)))
  for (const cpu of cpus) {
    const cells = [quantised, repaired].map((file, index) => {
      const db = sqnrDb(as[index] ?? new Float32Array(), emulated(cpu, file, feeds))
      return db === null ? 'the same' : db.toFixed(1)
    })
    console.log(`| ${[cpu, ...cells].join(' | ')} |`)
  }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
