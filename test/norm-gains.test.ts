// A large gain in one channel of a norm, small weights behind it: the same function, quantised as well as with gains alike.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { openDataset } from '../src/data/index.node.ts'
import { readModelFile } from '../src/onnx/index.node.ts'
import type { Runtime } from '../src/runtime/index.ts'
import { freshScores, quantizeGraph } from './support/fresh-scores.ts'
import { sharedFolder } from './support/manifest.ts'
import { normForms, normModel } from './support/norm-models.ts'
import { datasetOf, type OpGraph } from './support/op-graphs.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

/** What the gain may cost, in dB. */
const MOST_LOST = 2

const folder = join(sharedFolder, 'cases', 'layernorm_outlier')

describe('a gain of 60 in one channel of a norm', () => {
  let runtime: Runtime
  before(async () => {
    runtime = await testRuntime()
  })

  async function scoreOf(graph: OpGraph): Promise<number> {
    const { quantized } = await quantizeGraph(runtime, graph)
    return (await freshScores(runtime, graph, [quantized]))[0] ?? Number.NaN
  }

  // Every other form; that all begin a class is tested where classes are made.
  for (const form of normForms.filter((_, index) => index % 2 === 0))
    it(`costs no accuracy: ${form}`, async () => {
      const samples = (name: string, count: number) =>
        datasetOf(name, [1, 6, 16], count, (data, random) => {
          for (const i of data.keys()) data[i] = random.uniform(-3, 3)
        })
      const [calibration, fresh] = [samples('calibration', 48), samples('fresh', 64)]
      const [even = 0, uneven = 0] = [
        await scoreOf({ name: form, model: normModel(form), calibration, fresh }),
        await scoreOf({ name: form, model: normModel(form, 60), calibration, fresh }),
      ]
      assert.ok(uneven >= even - MOST_LOST, `${uneven.toFixed(1)} dB instead of ${even.toFixed(1)} dB`)
    })

  const skip = existsSync(folder) ? false : `no case at ${folder}`
  it('costs no accuracy in a transformer block', { skip }, async () => {
    const scores: number[] = []
    for (const name of ['gain1', 'gain60']) {
      const model = await readModelFile(join(folder, `${name}.onnx`))
      const open = (part: string) => openDataset(join(folder, `${part}.json`), { inputs: model.graph.inputs })
      scores.push(await scoreOf({ name, model, calibration: await open('cal'), fresh: await open('val') }))
    }
    const [even = 0, uneven = 0] = scores
    assert.ok(uneven >= even - MOST_LOST, `${uneven.toFixed(1)} dB instead of ${even.toFixed(1)} dB`)
  })
})
