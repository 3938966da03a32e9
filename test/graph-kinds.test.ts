import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { OnnxpressError } from '../src/base/index.ts'
import { randomStream } from '../src/math/index.ts'
import { readModelFile, writeModelFile } from '../src/onnx/index.node.ts'
import { layersOf } from '../src/onnx/index.ts'
import { compressFile, finetuneFile, layerCounts, quantizeFile, rewriteFile } from '../src/pipeline/index.node.ts'
import { inspect, parseRecipe } from '../src/pipeline/index.ts'
import { graphKinds } from './support/graph-kinds.ts'
import { sharedFolder } from './support/manifest.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-kinds-'))
const runtime = await testRuntime()
const output = join(folder, 'out.onnx')

/** 24 samples of 16 numbers; their description. */
function writeSamples(): string {
  const random = randomStream(3, 'kinds')
  const x = Float32Array.from({ length: 24 * 16 }, () => random.uniform(-1, 1))
  writeFileSync(join(folder, 'x.bin'), new Uint8Array(x.buffer))
  const data = join(folder, 'x.json')
  writeFileSync(data, JSON.stringify({ format: 'raw', file: 'x.bin', dtype: 'float32', shape: [24, 16] }))
  return data
}

async function quantized(model: string, data: string, more: Record<string, unknown> = {}) {
  const recipe = parseRecipe('quantize', { model, data, samples: 16, output, ...more })
  return quantizeFile(runtime, recipe)
}

/** Every command on a model; what trains or compresses may also refuse, in a sentence. */
async function goesThrough(model: string, data: string): Promise<void> {
  const { macs, layers } = await inspect(await readModelFile(model), runtime)
  assert.ok(macs !== undefined && layers.length > 0)
  const rewrite = parseRecipe('rewrite', { model, data: 'random', output })
  await rewriteFile(runtime, rewrite)
  const compress = parseRecipe('compress', { model, data, samples: 16, macs: [0.8], force: true, output })
  const finetune = parseRecipe('finetune', { model, data, samples: 16, epochs: 1, qat: true, output })
  for (const run of [() => compressFile(runtime, compress), () => finetuneFile(runtime, finetune)])
    await run().catch((error: unknown) => {
      assert.ok(error instanceof OnnxpressError, String(error))
      assert.doesNotMatch(error.message, /cannot load|does not load|onnxruntime::/)
    })
}

describe('kinds of graphs', () => {
  after(() => rmSync(folder, { recursive: true }))
  const data = writeSamples()

  for (const [kind, { make, layers }] of Object.entries(graphKinds)) {
    it(`go through every command: ${kind}`, async () => {
      const model = join(folder, `${kind.replace(/\W/g, '-')}.onnx`)
      await writeModelFile(make(), model)
      assert.equal(layersOf(await readModelFile(model)).length, layers)
      const run = await quantized(model, data)
      assert.ok(layerCounts(run).integer >= layers - 1, JSON.stringify(run.kernels))
      for (const { reason } of run.float) assert.ok(reason.length > 0)
      await goesThrough(model, data)
    })
  }

  it('are quantised without a batch dimension by every choice of grid and effort', async () => {
    const model = join(folder, 'no-batch-dimension.onnx')
    for (const more of [{ weights: 'per-tensor' }, { weightBits: 4, keep8bit: [] }, { effort: 'high' }]) {
      const run = await quantized(model, data, more)
      assert.equal(layerCounts(run).total, 2)
    }
  })

  const cases = join(sharedFolder, 'cases')
  const files: readonly (readonly [string, string, number])[] = [
    ['subgraph_types/if', 'subgraph_types/cal', 1],
    ['subgraph_types/loop', 'subgraph_types/cal', 1],
    ['subgraph_types/function', 'subgraph_types/ids', 1],
    ['subgraph_types/embedln', 'subgraph_types/ids4', 1],
    ['sequence_types/model', 'sequence_types/cal', 2],
    ['split_unnamed_output/model', 'split_unnamed_output/cal', 3],
    ['vector_input/model', 'vector_input/cal', 2],
    ['graphs/if_before_convs', 'graphs/if_before_convs_cal', 2],
  ]
  for (const [file, samples, integer] of files) {
    const model = join(cases, `${file}.onnx`)
    it(`go through every command: ${file}`, { skip: existsSync(model) ? false : `there is no ${model}` }, async () => {
      const data = join(cases, `${samples}.json`)
      const run = await quantized(model, data)
      assert.ok(layerCounts(run).integer >= integer, JSON.stringify(run.kernels))
      await goesThrough(model, data)
    })
  }
})
