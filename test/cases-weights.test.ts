// Weight-only quantisation of every ConvTranspose of the shared cases, and their 8-bit weights in static mode.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { readModelFile } from '../src/onnx/index.node.ts'
import { isOp } from '../src/onnx/index.ts'
import { quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { sharedFolder } from './support/manifest.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

const cases = join(sharedFolder, 'cases', 'weights_mode_convtranspose')
const skip = existsSync(cases) ? false : `no models at ${cases}`

describe('the weight of a ConvTranspose', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-weights-'))
  const runtime = await testRuntime()
  after(() => rmSync(folder, { recursive: true }))

  for (const name of ['plain', 'grouped', 'depthwise'])
    for (const mode of ['weights', 'static'])
      it(`is stored in 8 bits with one scale a channel: ${name}, mode ${mode}`, async () => {
        const output = join(folder, `${name}.${mode}.onnx`)
        const given = { model: join(cases, `${name}.onnx`), data: join(cases, 'cal.json'), mode, output }
        const recipe = parseRecipe('quantize', { ...given, techniques: ['none'] })
        const { comparison } = await quantizeFile(runtime, recipe)
        for (const db of Object.values(comparison?.sqnrDb ?? {})) assert.ok(db === null || db > 30, `${db} dB`)
        const { graph } = await readModelFile(output)
        const layer = graph.nodes.find((node) => isOp(node, 'ConvTranspose'))
        const dequantize = graph.nodes.find((node) => node.outputs[0] === layer?.inputs[1])
        assert.equal(dequantize?.opType, 'DequantizeLinear')
        assert.equal(graph.initializers.get(dequantize?.inputs[0] ?? '')?.dtype, 'int8')
        assert.ok((graph.initializers.get(dequantize?.inputs[1] ?? '')?.size ?? 0) > 1)
      })
})
