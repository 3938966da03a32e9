// Compression side by side with the published figures of AIMET: ratios of ResNet-20 over three seeds, the MNIST networks,
// channel pruning, also by its distance to the original, the latency budget, what must be refused, and the SVD's time.
// Usage: node --import tsx bench/compression.ts [resnet20|mnist|prune|distance|select|latency|refusals|svd]…   (needs ../shared)
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RefusedError } from '../src/base/index.ts'
import { pruneChannels } from '../src/compress/index.ts'
import { chooseSamples } from '../src/data/index.ts'
import { matrix, median, randomStream, topSvd } from '../src/math/index.ts'
import { compareSessions } from '../src/metrics/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { type CompressRun, compressFile } from '../src/pipeline/index.node.ts'
import { type CompressRecipe, parseRecipe } from '../src/pipeline/index.ts'
import { openSamples } from '../src/pipeline/samples.node.ts'
import { readBatches } from '../src/pipeline/samples.ts'
import { applyRewrites, passes } from '../src/rewrite/index.ts'
import { describeEnvironment, openRuntime } from '../src/runtime/index.node.ts'
import { runtimeProducts, type Values, withSession } from '../src/runtime/index.ts'
import { manifestEntries, noModels, recipeFor } from '../test/support/manifest.ts'
import { tinyModel } from '../test/support/tiny-model.ts'

const SEEDS = [0, 1, 2]
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
const runtime = await openRuntime()

function recipe(file: string, more: Partial<CompressRecipe>): CompressRecipe {
  const entry = manifestEntries().find((known) => known.file === file)
  if (!entry) throw new Error(`no model ${file} in the manifest`)
  const { model, data, val, preprocess } = recipeFor(entry)
  const given = { model, data, val, preprocess, output: join(folder, 'model.onnx'), ...more }
  const said = Object.entries(given).filter(([, value]) => value !== undefined)
  return parseRecipe('compress', Object.fromEntries(said))
}

async function attempt(file: string, more: Partial<CompressRecipe>): Promise<CompressRun | string> {
  try {
    return await compressFile(runtime, recipe(file, more))
  } catch (error) {
    if (error instanceof RefusedError) return error.message
    throw error
  }
}

/** Mean of three seeds at each ratio, and the delivered ratios. */
async function curve(file: string, ratios: readonly number[], more: Partial<CompressRecipe> = {}): Promise<void> {
  const scores = ratios.map(() => [] as number[])
  const delivered = ratios.map(() => [] as number[])
  const seconds: number[] = []
  for (const seed of SEEDS) {
    const run = await attempt(file, { macs: ratios, seed, force: true, ...more })
    if (typeof run === 'string') throw new Error(run)
    seconds.push(run.seconds)
    for (const [i, { measures }] of run.points.entries()) {
      scores[i]?.push(measures.comparison.metric?.after ?? Number.NaN)
      delivered[i]?.push(measures.macs.after / measures.macs.before)
    }
  }
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length
  const how = more.method === undefined ? '' : `, --method ${more.method}`
  console.log(
    `\n${file}${how}, no labels, no training, ${SEEDS.length} seeds, ${mean(seconds).toFixed(1)} s for all ratios`,
  )
  for (const [i, ratio] of ratios.entries())
    console.log(
      `  ${ratio}: top-1 ${(100 * mean(scores[i] ?? [])).toFixed(2)} (${scores[i]?.map((s) => (100 * s).toFixed(1)).join(', ')}), delivered ${mean(delivered[i] ?? []).toFixed(4)}`,
    )
}

/** Pruned models against the original on every fourth sample, which no fit has seen. */
async function distance(file: string, ratios: readonly number[], samples: number): Promise<void> {
  const asked = recipe(file, { macs: ratios, samples })
  const original = await readModelFile(asked.model)
  const dataset = await openSamples(asked, original, asked.data, { count: asked.samples })
  const chosen = chooseSamples(dataset.size, Math.min(samples, dataset.size))
  const sample = (await dataset.sample(chosen[0] ?? 0)).inputs
  const { model, shapes } = await applyRewrites(runtime, { model: original, feeds: sample }, passes)
  const read = (validation: boolean) =>
    readBatches(
      { dataset, indices: chosen.filter((_, i) => (i % 4 === 3) === validation) },
      { model: original, shapes },
    )
  const batches: Values[] = []
  for await (const { inputs } of read(false)) batches.push(inputs)
  for (const ratio of ratios) {
    const started = performance.now()
    const pruned = await pruneChannels(runtime, model, { samples: batches, sample, ratio })
    const seconds = (performance.now() - started) / 1000
    const {
      sqnrDb,
      agreement,
      samples: count,
    } = await withSession(runtime, original, {}, (first) =>
      withSession(runtime, pruned.model, {}, (second) =>
        compareSessions(first, second, read(true), { total: chosen.length }),
      ),
    )
    const db = Object.values(sqnrDb).map((value) => value?.toFixed(1) ?? 'exact')
    const same = agreement === undefined ? '' : `, agreement ${(100 * agreement).toFixed(1)} %`
    console.log(
      `  ${file}, ${ratio}: delivered ${pruned.ratio.toFixed(3)}, SQNR ${db.join(', ')} dB${same} on ${count} samples that no fit has seen; ${seconds.toFixed(0)} s`,
    )
  }
}

const parts: Record<string, () => Promise<void>> = {
  resnet20: () => curve('cifar10_resnet20.onnx', [0.75, 0.66, 0.5, 0.4, 0.3]),
  mnist: async () => {
    await curve('mnist_opt.onnx', [0.6, 0.44])
    await curve('classic_mnist_cnn.onnx', [0.6, 0.42])
  },
  prune: async () => {
    await curve('cifar10_resnet20.onnx', [0.66, 0.5, 0.4], { method: 'prune' })
    await curve('classic_mnist_cnn.onnx', [0.6, 0.42], { method: 'prune' })
    await curve('mlperftiny_resnet8_cifar10.onnx', [0.9, 0.8, 0.66], { method: 'prune' })
  },
  // Squeeze-and-excitation, a deep narrow network, depthwise ones: distance to the original on samples that no fit has seen.
  distance: async () => {
    await distance('ch_PP-OCRv3_det_infer.onnx', [0.95, 0.9], 64)
    await distance('mcunet-256kb-1mb_imagenet.onnx', [0.85], 500)
    await distance('mlperftiny_vww96_mobilenetv1_025.onnx', [0.45], 500)
  },
  // What a channel-select would have to gain: four residual blocks whose first layer reads a part of the stream.
  select: async () => {
    for (const [channels, side] of [
      [16, 32],
      [32, 16],
      [64, 8],
      [64, 28],
    ] as const) {
      const blocks = (reads: string, inputs: number) =>
        Array.from(
          { length: 4 },
          (_, i) =>
            `r${i} -> ${reads}Conv 3x3 ${inputs}->${channels} pads=1,1,1,1 -> Relu -> Conv 3x3 ${channels}->${channels} pads=1,1,1,1 -> b${i}; b${i},r${i} -> Add -> Relu -> r${i + 1}`,
        ).join('; ')
      const gathered = (count: number) => {
        const places = Array.from({ length: count }, (_, i) => Math.floor((i * channels) / count))
        return blocks(`Gather axis=1 ints(${places.join()}) -> `, count)
      }
      const start = `x[N,${channels},${side},${side}] -> Conv 3x3 ${channels}->${channels} pads=1,1,1,1 -> r0`
      const sliced = blocks(`Slice ints(0) ints(${channels / 2}) ints(1) -> `, channels / 2)
      const drawn = [blocks('', channels), gathered((3 * channels) / 4), gathered(channels / 2), sliced]
      const sessions = []
      for (const each of drawn) sessions.push(await runtime.open(tinyModel(`${start}; ${each}`), {}))
      const data = new Float32Array(channels * side * side).fill(0.3)
      const feeds = { x: { dtype: 'float32' as const, dims: [1, channels, side, side], data } }
      const limits = { warmups: 10, rounds: 300, limitMs: 8000 }
      const { milliseconds } = await runtime.time(
        sessions,
        sessions.map(() => feeds),
        limits,
      )
      const [whole = 1, ...parts] = milliseconds.map(median)
      const shares = parts.map((time) => (time / whole).toFixed(2))
      console.log(
        `  ${channels} channels of ${side}×${side}, ${whole.toFixed(3)} ms: Gather of 3/4 ${shares[0]}, of 1/2 ${shares[1]}, Slice of 1/2 ${shares[2]} of the time`,
      )
      for (const session of sessions) await session.close()
    }
  },
  latency: async () => {
    for (const seed of SEEDS) {
      const run = await attempt('cifar10_resnet20.onnx', { latency: [0.75], seed })
      if (typeof run === 'string') console.log(`  latency 0.75: ${run}`)
      else
        for (const { measures } of run.points) {
          const { before, after } = measures.latency
          console.log(
            `  latency 0.75, seed ${seed}: ${before.medianMs.toFixed(3)} → ${after.medianMs.toFixed(3)} ms (${(after.medianMs / before.medianMs).toFixed(2)}), top-1 ${(100 * (measures.comparison.metric?.after ?? 0)).toFixed(1)}`,
          )
        }
    }
  },
  refusals: async () => {
    const words = (result: CompressRun | string) => (typeof result === 'string' ? result : 'delivered')
    console.log(
      `  mobilenet 0.75: ${words(await attempt('mobilenet_v1_0.25_224.onnx', { macs: [0.75], samples: 128 }))}`,
    )
    const classic = { macs: [0.4], multiple: 8 }
    console.log(
      `  classic 0.4, multiple 8, first layer kept: ${words(await attempt('classic_mnist_cnn.onnx', { ...classic, keepLayer: ['conv1'] }))}`,
    )
    console.log(`  classic 0.4, multiple 1: ${words(await attempt('classic_mnist_cnn.onnx', { macs: [0.4] }))}`)
  },
  svd: async () => {
    const products = runtimeProducts(runtime)
    const random = randomStream(0, 'svd bench')
    const a = matrix(
      1152,
      1024,
      Float64Array.from({ length: 1152 * 1024 }, () => random.normal()),
    )
    const times: number[] = []
    for (let i = 0; i < 4; i++) {
      const started = performance.now()
      await topSvd(a, 256, products)
      times.push(performance.now() - started)
    }
    console.log(`  SVD 1152×1024, k = 256: ${times.map((time) => time.toFixed(0)).join(', ')} ms`)
    await products.close()
  },
}

try {
  if (noModels) console.log(noModels)
  else {
    console.log(describeEnvironment(runtime))
    const asked = process.argv.slice(2)
    for (const [name, run] of Object.entries(parts)) if (asked.length === 0 || asked.includes(name)) await run()
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
  await runtime.close()
}
