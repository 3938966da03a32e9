// Layers whose activation ONNX Runtime would fuse in float first: every layer of the shared graphs runs in integers.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { layerCounts, quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { sharedFolder } from './support/manifest.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

const graphs = join(sharedFolder, 'cases', 'graphs')
const skip = existsSync(graphs) ? false : `no graphs at ${graphs}`

describe('an activation in front of a float operator', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-activations-'))
  const runtime = await testRuntime()
  after(() => rmSync(folder, { recursive: true }))

  for (const [name, layers] of [
    ['g_relu_abs', 3],
    ['m_relu_neg_nobias', 2],
  ] as const)
    it(`leaves every layer of ${name} its integer kernel`, async () => {
      const recipe = parseRecipe('quantize', {
        model: join(graphs, `${name}.onnx`),
        data: join(graphs, `${name}_cal.json`),
        effort: 'fast',
        output: join(folder, `${name}.onnx`),
      })
      assert.deepEqual(layerCounts(await quantizeFile(runtime, recipe)), { total: layers, integer: layers })
    })
})
