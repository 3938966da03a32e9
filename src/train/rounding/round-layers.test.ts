import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fourBits } from '../../../test/support/four-bits.ts'
import { run, testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { plainProducts, randomStream } from '../../math/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { Values } from '../../runtime/index.ts'
import { type RoundLayersOptions, roundLayers } from './round-layers.ts'

/** 8 samples whose numbers go together: what a weight loses by rounding others can take over. */
function alike(seed: number, size = 1): Values {
  const random = randomStream(seed, 'alike')
  const data = new Float32Array(8 * 12)
  for (let i = 0; i < data.length; i++) data[i] = size * (0.9 * ((data[i - 1] ?? 0) / size) + 0.4 * random.normal())
  return { x: { dtype: 'float32', dims: [8, 12], data } }
}

const model = () => tinyModel('x[N,12] -> Gemm 12->6 -> y', { opset: 18 })
const batches = Array.from({ length: 8 }, (_, seed) => alike(seed))

async function rounded(given: readonly Values[], more: Partial<RoundLayersOptions> = {}) {
  const { plan, file, shapes } = await fourBits(model(), batches)
  const options = { shapes, products: plainProducts, seed: 0, method: 'mse' as const, ...more }
  const pair = { float: model(), quantized: file, plan }
  return { file, ...(await roundLayers(await testRuntime(), pair, given, options)) }
}

const codesOf = ({ model: { graph } }: { readonly model: Model }) => {
  const [, codes] = [...graph.initializers].find(([name]) => name.endsWith('/weight/q')) ?? []
  return codes?.numbers() ?? assert.fail('there are no codes')
}

describe('roundLayers', () => {
  for (const method of ['mse', 'adaround'] as const)
    it(`gives outputs nearer to the float ones on samples that it did not see, by ${method}`, async () => {
      const { file, model: made } = await rounded(batches, { method, adaround: { iterations: 200 } })
      const fresh = Array.from({ length: 6 }, (_, seed) => alike(100 + seed))
      const noise = async (of: Model) => {
        let sum = 0
        for (const feeds of fresh) {
          const [a, b] = [(await run(model(), feeds))['y']?.data, (await run(of, feeds))['y']?.data]
          for (let i = 0; i < 48; i++) sum += (Number(a?.[i]) - Number(b?.[i])) ** 2
        }
        return sum
      }
      const [before, after] = [await noise(file), await noise(made)]
      assert.ok(after < 0.9 * before, `${before} → ${after}`)
      assert.ok(codesOf({ model: made }).every((code) => code >= -8 && code <= 7))
    })

  it('fits nothing to batches that only judge', async () => {
    const last = (batch: number) => batch === 7
    const other = [...batches.slice(0, 7), alike(99, 40)]
    const [codes, same] = [await rounded(batches, { validation: last }), await rounded(other, { validation: last })]
    assert.deepEqual(codesOf(codes), codesOf(same))
    assert.notDeepEqual(codesOf(await rounded(other)), codesOf(codes), 'a batch that takes part has a say')
  })
})
