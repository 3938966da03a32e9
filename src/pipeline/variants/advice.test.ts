import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { VariantDtype } from '../../recipe/index.ts'
import { variantAdvice } from './advice.ts'
import { variantFile, variantOf } from './dtypes.ts'
import { whyNotWritten } from './refusal.ts'
import { type Variant, variantsJson } from './run.ts'

const node = 'onnxruntime-node'
const variant = (graph: string, dtype: VariantDtype, sizeBytes: number, ms: number, more: object = {}): Variant => ({
  ...{ dtype, graph, file: variantFile(graph, dtype), sizeBytes, written: true, sqnrDb: 20 },
  ...{ latencyMs: { [node]: ms }, loads: { [node]: true as const }, ...more },
})
const run = (...variants: Variant[]) => ({
  variants,
  float: [{ graph: 'model', file: 'model.onnx', sizeBytes: 4e6, latencyMs: { [node]: 8 } }],
  runtimes: [node],
  notes: [],
})

describe('which variant to take', () => {
  it('is said by size, noise and time', () => {
    assert.deepEqual(
      variantAdvice(
        run(
          variant('model', 'q8', 2e6, 4),
          variant('model', 'q4', 1e6, 9),
          variant('model', 'fp16', 3e6, 9, { sqnrDb: 60 }),
        ),
      ),
      [
        'smallest: q4 (1.0 MB)',
        'most accurate: fp16 (60.0 dB)',
        'fastest in onnxruntime-node here: q8 (4.00 ms, float 8.00 ms)',
        'on WebGPU, which computes in float16 and was not measured here: fp16 (3.0 MB)',
      ],
    )
  })

  it('leaves out a form that lacks a graph, and says when the float model is the fastest', () => {
    const lines = variantAdvice(
      run(
        variant('a', 'q8', 1e6, 1),
        variant('b', 'q8', 1e6, 1, { written: false }),
        variant('a', 'q4', 2e6, 5),
        variant('b', 'q4', 2e6, 5),
      ),
    )
    assert.deepEqual(lines.slice(0, 3), [
      'smallest: q4 (4.0 MB)',
      'most accurate: q4 (20.0 dB)',
      'fastest in onnxruntime-node here: the float model (8.00 ms)',
    ])
    assert.deepEqual(variantAdvice(run(variant('a', 'q8', 1, 1, { written: false }))), [])
  })
})

describe('a variant', () => {
  it('is known by its ending, and a graph is not', () => {
    assert.deepEqual(
      ['model_quantized', 'decoder_model_merged_q4f16', 'model_q2', 'model', 'decoder_with_past_model', '_q4'].map(
        variantOf,
      ),
      ['model', 'decoder_model_merged', 'model', undefined, undefined, undefined],
    )
  })

  it('is not written when it loads nowhere, loses too much, or is no smaller', () => {
    const good = {
      sizeBytes: 50,
      floatBytes: 100,
      loads: { [node]: true as const },
      comparison: { samples: 1, sqnrDb: { y: 12 } },
    }
    assert.equal(whyNotWritten(good, 10), undefined)
    assert.match(
      whyNotWritten({ ...good, loads: { [node]: 'no kernel' } }, 10) ?? '',
      /no runtime loads it: onnxruntime-node says: no kernel/,
    )
    assert.match(whyNotWritten(good, 13) ?? '', /output y has 12\.0 dB against the float model, less than 13/)
    assert.match(
      whyNotWritten({ ...good, comparison: { samples: 1, sqnrDb: { y: Number.NaN } } }, 10) ?? '',
      /output y has NaN dB/,
    )
    assert.match(whyNotWritten({ ...good, sizeBytes: 96 }, 10) ?? '', /it would have 96 B, the float model has 100 B/)
  })

  it('has a figure in JSON that is a number, or null where it is exact', () => {
    const json = variantsJson(run(variant('model', 'q8', 1, 1, { sqnrDb: null })), []) as { variants: object[] }
    assert.deepEqual(json.variants[0], { ...variant('model', 'q8', 1, 1, { sqnrDb: null }), exact: true })
  })
})
