import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { drawings } from '../../test/support/random-graphs.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { byteLengthOf, type DType } from './dtype.ts'
import type { Attribute, Model } from './model.ts'
import { printModel } from './print.ts'
import { readModel } from './read.ts'
import { Tensor } from './tensor.ts'
import { writeModel } from './write.ts'

const dtypes: readonly DType[] = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int64',
  'uint64',
  'int8',
  'bool',
  'int4',
]
const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const float = fc.float({ noNaN: true })

/** A tensor of any type and shape, empty ones too, its bytes at random. */
const tensors = fc
  .record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.nat(4), { maxLength: 4 }), seed: fc.nat(255) })
  .map(({ dtype, shape, seed }) => {
    const size = shape.reduce((a, b) => a * b, 1)
    const bytes = new Uint8Array(byteLengthOf(dtype, size) ?? 0)
    return new Tensor(dtype, shape, dtype === 'bool' ? bytes.map((_, i) => i % 2) : bytes.map((_, i) => seed * (i + 1)))
  })

const attributes: fc.Arbitrary<Attribute> = fc.oneof(
  int64.map((value) => ({ type: 'int' as const, value })),
  float.map((value) => ({ type: 'float' as const, value })),
  text.map((value) => ({ type: 'string' as const, value })),
  fc.array(int64, { maxLength: 4 }).map((value) => ({ type: 'ints' as const, value })),
  fc.array(float, { maxLength: 4 }).map((value) => ({ type: 'floats' as const, value })),
  fc.array(text, { maxLength: 4 }).map((value) => ({ type: 'strings' as const, value })),
  tensors.map((value) => ({ type: 'tensor' as const, value })),
)

/** A network with attributes, constants and metadata that no operator asked for. */
const models = fc
  .record({
    drawing: drawings,
    extra: fc.dictionary(text, attributes, { maxKeys: 3 }),
    constants: fc.dictionary(text, tensors, { maxKeys: 3 }),
    metadata: fc.dictionary(text, text, { maxKeys: 3 }),
  })
  .map(({ drawing, extra, constants, metadata }): Model => {
    const model = tinyModel(drawing)
    for (const [name, attribute] of Object.entries(extra)) model.graph.nodes[0]?.attributes.set(`+${name}`, attribute)
    for (const [name, tensor] of Object.entries(constants)) model.graph.initializers.set(`+${name}`, tensor)
    for (const [name, value] of Object.entries(metadata)) model.metadata.set(`+${name}`, value)
    return model
  })

/** What a reader sees of a model. */
function contents({ graph, metadata }: Model): unknown {
  const tensor = ({ dtype, shape, bytes }: Tensor) => [dtype, [...shape], [...bytes]]
  const value = (attribute: Attribute) =>
    attribute.type === 'tensor' ? tensor(attribute.value) : 'value' in attribute ? attribute.value : undefined
  return {
    nodes: graph.nodes.map(({ attributes }) => [...attributes].map(([name, one]) => [name, one.type, value(one)])),
    constants: [...graph.initializers].map(([name, one]) => [name, tensor(one)]),
    metadata: [...metadata],
  }
}

describe('a model made here', () => {
  it('is the same after writing and reading, to the bytes of its constants', () => {
    fc.assert(
      fc.property(models, (model) => {
        const bytes = writeModel(model)
        const again = readModel(bytes)
        assert.equal(printModel(again), printModel(model))
        assert.deepEqual(contents(again), contents(model))
        assert.deepEqual(writeModel(again), bytes)
      }),
      { numRuns: 60 },
    )
  })

  it('cut short anywhere is refused, or read as a shorter model, but never ends in anything else', () => {
    fc.assert(
      fc.property(models, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (model, share) => {
        const bytes = writeModel(model)
        try {
          readModel(bytes.subarray(0, Math.floor(share * bytes.length)))
        } catch (error) {
          assert.ok(error instanceof Error && 'exitCode' in error, String(error))
        }
      }),
      { numRuns: 60 },
    )
  })
})
