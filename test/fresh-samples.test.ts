// The search never loses on samples that it did not see: small networks, each by default and without techniques.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { openDataset } from '../src/data/index.node.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import type { Runtime } from '../src/runtime/index.ts'
import { freshScores, quantizeGraph } from './support/fresh-scores.ts'
import { sharedFolder } from './support/manifest.ts'
import { families, type OpGraph, opGraph } from './support/op-graphs.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

/** What chance may cost, in dB. */
const MOST_LOST = 1

const cases = join(sharedFolder, 'cases', 'graphs')

describe('on fresh samples', () => {
  let runtime: Runtime
  before(async () => {
    runtime = await testRuntime()
  })

  async function gainOf(graph: OpGraph): Promise<number> {
    const plain = await quantizeGraph(runtime, graph, { techniques: ['none'] })
    const best = await quantizeGraph(runtime, graph)
    const [a = Number.NaN, b = Number.NaN] = await freshScores(runtime, graph, [plain.quantized, best.quantized])
    return b - a
  }

  const all = families()
  // Every sixth family, each with other weights, inputs and numbers of samples.
  const chosen = all.filter((_, index) => index % 6 === 0).slice(0, 18)
  it(`${chosen.length} networks gain by default, and none loses`, async () => {
    let sum = 0
    for (const [index, family] of chosen.entries()) {
      const graph = opGraph(family, index)
      const gain = await gainOf(graph)
      assert.ok(gain >= -MOST_LOST, `${graph.name}: ${gain.toFixed(2)} dB against no technique`)
      sum += gain
    }
    assert.ok(sum / chosen.length > 0.5, `the mean gain is ${(sum / chosen.length).toFixed(2)} dB`)
  })

  const skip = existsSync(cases) ? false : `no cases at ${cases}`
  for (const name of ['act_silu', 'pad_negative'])
    it(`${name} keeps within 1 dB of no technique`, { skip }, async () => {
      const model = await readModelFile(join(cases, `${name}.onnx`))
      const open = (part: string) => openDataset(join(cases, `${name}_${part}.json`), { inputs: model.graph.inputs })
      const gain = await gainOf({ name, model, calibration: await open('cal'), fresh: await open('val') })
      assert.ok(gain >= -MOST_LOST, `${gain.toFixed(2)} dB against no technique`)
    })
})
