// Weights alone: 8 bits, blocks of 4 bits with nearest and with second-order codes, on the sentence encoder of the shared models.
// Usage: node --import tsx bench/weights.ts [CONFIGURATION…]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { sharedFolder } from '../test/support/manifest.ts'

const configurations: Readonly<Record<string, object>> = {
  '8 bits': {},
  '4 bits, nearest': { weightBits: 4, rounding: 'plain' },
  '4 bits, blocks of 128, nearest': { weightBits: 4, rounding: 'plain', block: 128 },
  '4 bits': { weightBits: 4 },
  '4 bits, blocks of 128': { weightBits: 4, block: 128 },
  '4 bits, accuracy level 4': { weightBits: 4, accuracyLevel: 4 },
}
const words = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-bench-'))
const runtime = await openRuntime()
console.log('| weights | SQNR, dB | file, MB | time, float ÷ result | seconds |\n|---|---|---|---|---|')
try {
  for (const [name, more] of Object.entries(configurations)) {
    if (words.length > 0 && !words.includes(name)) continue
    const recipe = parseRecipe('quantize', {
      model: join(sharedFolder, 'models/strangers/minilm_l6.onnx'),
      data: join(sharedFolder, 'data/minilm/minilm.calib.mjs'),
      val: join(sharedFolder, 'data/minilm/minilm.eval.mjs'),
      output: join(folder, 'out.onnx'),
      mode: 'weights',
      ...more,
    })
    const started = performance.now()
    const { comparison, latency, sizeBytes } = await quantizeFile(runtime, recipe)
    const [db] = Object.values(comparison?.sqnrDb ?? {})
    const faster = latency ? latency.before.medianMs / latency.after.medianMs : Number.NaN
    console.log(
      `| ${name} | ${db?.toFixed(1)} | ${(sizeBytes.after / 1e6).toFixed(1)} | ${faster.toFixed(2)} | ${((performance.now() - started) / 1000).toFixed(0)} |`,
    )
  }
} finally {
  await runtime.close()
  rmSync(folder, { recursive: true })
}
