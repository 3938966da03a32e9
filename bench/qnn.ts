// Files of `--target qnn` beside those that onnxruntime's quantiser makes with get_qnn_qdq_config: the type of every value, weight and bias
// in both, as the table of docs/quantization.md, and each difference.
// Usage: PYTHON=python3 node --import tsx bench/qnn.ts [word…]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseSamples } from '../src/data/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { isOp, type Model, nodeName } from '../src/onnx/index.ts'
import { openSamples, quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/recipe/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import type { Runtime } from '../src/runtime/index.ts'
import { type ManifestEntry, manifestEntries, noModels, recipeFor } from '../test/support/manifest.ts'
import { peerVersions, runPeer, writeSamples } from './peers/run-peer.ts'

const SAMPLES = 8
const usual = ['mcunet-256kb-1mb', 'cifar10_resnet20', 'kws_dscnn']
const words = process.argv.length > 2 ? process.argv.slice(2) : usual

/** Types by what is named alike in both: values, and weights and biases by their layer. */
function typesIn(model: Model): Map<string, string> {
  const { nodes, initializers } = model.graph
  const types = new Map<string, string>()
  const behind = new Map(
    nodes.flatMap((node) => (node.opType === 'DequantizeLinear' ? [[node.outputs[0] ?? '', node]] : [])),
  )
  const typeOf = (node: (typeof nodes)[number] | undefined) =>
    initializers.get(node?.inputs[2] ?? node?.inputs[0] ?? '')?.dtype
  for (const node of nodes) {
    if (node.opType === 'QuantizeLinear') {
      const value = (node.inputs[0] ?? '').replace(/\/float$|_QuantizeLinear_Input$/, '')
      if (!initializers.has(value)) types.set(value, initializers.get(node.inputs[2] ?? '')?.dtype ?? 'uint8')
    }
    if (!isOp(node, 'Conv', 'ConvTranspose', 'Gemm', 'MatMul')) continue
    for (const [index, what] of [
      [1, 'weight'],
      [2, 'bias'],
    ] as const) {
      const dequantize = behind.get(node.inputs[index] ?? '')
      const scales = initializers.get(dequantize?.inputs[1] ?? '')?.size ?? 1
      const type = typeOf(dequantize)
      if (type)
        types.set(
          `${what} of ${nodeName(node)}`,
          `${type}${what === 'weight' ? (scales > 1 ? ' per channel' : ' per tensor') : ''}`,
        )
    }
  }
  return types
}

async function compare(runtime: Runtime, entry: ManifestEntry, folder: string): Promise<void> {
  const [ours, theirs] = [join(folder, 'ours.onnx'), join(folder, 'theirs.onnx')]
  const recipe = recipeFor(entry, {})
  const dataset = await openSamples(recipe, await readModelFile(recipe.model))
  const samples = await writeSamples(dataset, chooseSamples(dataset.size, SAMPLES), folder)
  const asked = parseRecipe('quantize', {
    model: recipe.model,
    data: 'random',
    target: 'qnn',
    effort: 'fast',
    force: true,
    output: ours,
  })
  await quantizeFile(runtime, asked)
  const peer = runPeer('qnn_types.py', '', recipe.model, theirs, samples, folder)
  const name = entry.file.replace('.onnx', '')
  if (!peer.made) {
    console.log(`| ${name} | ${peer.note} | | | |`)
    return
  }
  const [a, b] = [typesIn(await readModelFile(ours)), typesIn(await readModelFile(theirs))]
  const both = [...a].filter(([tensor]) => b.has(tensor))
  const equal = both.filter(([tensor, type]) => b.get(tensor) === type)
  const only = (x: Map<string, string>, y: Map<string, string>) => [...x].filter(([tensor]) => !y.has(tensor))
  console.log(`| ${name} | ${both.length} | ${equal.length} | ${only(a, b).length} | ${only(b, a).length} |`)
  for (const [tensor, type] of both)
    if (b.get(tensor) !== type) console.log(`  ${tensor}: ${type}, ${b.get(tensor)} there`)
  for (const [tensor, type] of only(a, b)) console.log(`  only ours: ${tensor} ${type}`)
  for (const [tensor, type] of only(b, a)) console.log(`  only there: ${tensor} ${type}`)
}

if (noModels) console.log(noModels)
const versions = peerVersions(['onnxruntime'])
const runtime = await openRuntime()
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
try {
  console.log(`Versions: ${runtime.name} ${runtime.version}; in Python ${JSON.stringify(versions)}.\n`)
  console.log('| model | tensors in both | of one type | only ours | only there |\n|---|---|---|---|---|')
  if (versions['onnxruntime'])
    for (const entry of manifestEntries())
      if (words.some((word) => entry.file.includes(word))) await compare(runtime, entry, folder)
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
