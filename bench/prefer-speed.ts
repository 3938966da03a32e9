// What --prefer speed gains: float, everything in integers, and the choice by time, in three interleaved bursts of the target's runtime.
// Usage: node --import tsx bench/prefer-speed.ts [--target NAME] [word…]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../src/base/index.ts'
import { median } from '../src/math/index.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import { withClock } from '../src/pipeline/clock.node.ts'
import { openSamples, quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe, type QuantizeRecipe } from '../src/recipe/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import type { Runtime } from '../src/runtime/index.ts'
import { manifestEntries, recipeFor, sharedFolder } from '../test/support/manifest.ts'

const words = process.argv.slice(2)
const at = words.indexOf('--target')
const [, named = 'ort-cpu'] = at === -1 ? [] : words.splice(at, 2)
// Another word is refused with those that there are.
const { target } = parseRecipe('quantize', { model: '', data: '', target: named })
const BURSTS = 3
const TIMING = { warmups: 5, rounds: 60, limitMs: 2000 }

const strangers: readonly { readonly file: string; readonly shape: Readonly<Record<string, readonly number[]>> }[] = [
  { file: 'basic_pitch.onnx', shape: {} },
  { file: 'nudenet_320n.onnx', shape: { images: [1, 3, 320, 320] } },
  { file: 'ppocrv4_rec.onnx', shape: { x: [1, 3, 48, 320] } },
  { file: 'efficientnet_lite0.onnx', shape: {} },
  { file: 'minilm_l6.onnx', shape: { input_ids: [1, 32], attention_mask: [1, 32], token_type_ids: [1, 32] } },
]

/** Time depends on shapes alone: few samples, and nothing is tried. */
function recipes(): QuantizeRecipe[] {
  const quick = { effort: 'fast', target, samples: 4 } as const
  return [
    ...manifestEntries()
      .filter(({ data }) => data !== undefined && data !== null)
      .map((entry) => recipeFor(entry, quick)),
    ...strangers.map(({ file, shape }) =>
      parseRecipe('quantize', { ...quick, model: join(sharedFolder, 'models/strangers', file), data: 'random', shape }),
    ),
  ].filter(({ model }) => words.length === 0 || words.some((word) => model.includes(word)))
}

/** Medians of each burst, a list a model. */
async function timed(clock: Runtime, recipe: QuantizeRecipe, files: readonly string[]): Promise<number[][]> {
  const models = []
  for (const file of files) models.push(await readModelFile(file))
  const [original] = models
  if (!original) return []
  const { inputs } = await (await openSamples(recipe, original, recipe.data)).sample(0)
  const bursts: number[][] = files.map(() => [])
  for (let burst = 0; burst < BURSTS; burst++) {
    const sessions = []
    for (const model of models) sessions.push(await clock.open(model))
    const { milliseconds } = await clock.time(
      sessions,
      sessions.map(() => inputs),
      { ...TIMING, limitMs: TIMING.limitMs * files.length },
    )
    for (const [index, times] of milliseconds.entries()) bursts[index]?.push(median(times))
    for (const session of sessions) await session.close()
  }
  return bursts
}

const runtime = await openRuntime()
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
try {
  console.log(
    `| ${target} | float, ms | all in integers | chosen | of float, three bursts | nodes in integers | seconds |\n|---|---|---|---|---|---|---|`,
  )
  for (const recipe of recipes()) {
    const [integer, chosen] = ['integer.onnx', 'chosen.onnx'].map((name) => join(folder, name))
    const name = recipe.model.split('/').at(-1)
    try {
      await quantizeFile(runtime, { ...recipe, output: integer ?? '', force: true })
      const started = performance.now()
      const { speed } = await quantizeFile(runtime, { ...recipe, output: chosen ?? '', prefer: 'speed' })
      const seconds = ((performance.now() - started) / 1000).toFixed(0)
      await withClock(runtime, target, async (clock) => {
        if (!clock) return
        const [float = [], all = [], own = []] = await timed(clock.runtime, recipe, [
          recipe.model,
          integer ?? '',
          chosen ?? '',
        ])
        const ms = (times: readonly number[]) => median(times).toFixed(2)
        const shares = own.map((time, burst) => (time / (float[burst] ?? Number.NaN)).toFixed(2)).join(' ')
        const nodes = speed ? `${speed.nodes.integer} of ${speed.nodes.able}` : '0'
        console.log(`| ${[name, ms(float), ms(all), ms(own), shares, nodes, seconds].join(' | ')} |`)
      })
    } catch (error) {
      console.log(`| ${name} | ${messageOf(error)} |`)
    }
  }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
