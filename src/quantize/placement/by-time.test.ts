import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { nodeName } from '../../onnx/index.ts'
import { typesOf } from '../../runtime/index.ts'
import { quantizeDefaults } from '../options.ts'
import { Forms, type FormTimes, type NodeMilliseconds } from './by-time.ts'
import { place } from './placement.ts'

function formsOf(drawing: string) {
  const model = tinyModel(drawing)
  const types = typesOf(model)
  const placement = place(model, quantizeDefaults, types)
  return { model, placement, forms: new Forms(model, placement, quantizeDefaults, types) }
}

const border = (milliseconds: number) => ({ quantize: () => milliseconds, dequantize: () => milliseconds })
const times = (float: NodeMilliseconds, integer: NodeMilliseconds, each: number): FormTimes => ({
  float,
  integer,
  ...border(each),
})

const chain = 'x[N,4,8,8] -> Conv 1x1 4->8 -> Relu -> a; a -> Conv 1x1 8->8 -> Relu -> b; b -> Conv 1x1 8->4 -> y'

describe('forms by time', () => {
  const { model, forms } = formsOf(chain)
  const [first = '', second = '', third = ''] = model.graph.nodes
    .filter(({ opType }) => opType === 'Conv')
    .map(nodeName)

  it('leave in float what is slower in integers, as far as its borders cost less than it saves', () => {
    const float = { [first]: 2, [second]: 1, [third]: 2 }
    const integer = { [first]: 1, [second]: 1.5, [third]: 1 }
    const cheap = forms.fastest(times(float, integer, 0.1))
    assert.deepEqual([...cheap.floats], [second])
    // Two layers in integers, one in float; into integers at x, out and in around the second, out at y.
    assert.ok(Math.abs(cheap.milliseconds - (1 + 1 + 1 + 4 * 0.1)) < 1e-9)
    assert.deepEqual([...forms.fastest(times(float, integer, 0.3)).floats], [])
  })

  it('count what is fused into a layer', () => {
    const relu = nodeName(model.graph.nodes.find(({ opType }) => opType === 'Relu')!)
    const float = { [first]: 1, [relu]: 5, [second]: 1, [third]: 1 }
    const integer = { [first]: 2, [second]: 2, [third]: 2 }
    assert.deepEqual([...forms.fastest(times(float, integer, 0)).floats], [second, third])
  })

  it('are all float where nothing in integers is faster, and all integer where everything is', () => {
    const one = { [first]: 1, [second]: 1, [third]: 1 }
    const two = { [first]: 2, [second]: 2, [third]: 2 }
    assert.equal(forms.fastest(times(one, two, 0.1)).floats.size, 3)
    assert.equal(forms.fastest(times(two, one, 0.1)).floats.size, 0)
    assert.equal(forms.fastest(times(two, one, 2)).floats.size, 3)
  })

  it('need a value in codes once for all that read it', () => {
    const two = formsOf('x[N,4,8,8] -> Conv 1x1 4->4 -> y; x -> Conv 1x1 4->4 -> z')
    const [a = '', b = ''] = two.model.graph.nodes.map(nodeName)
    const given = times({ [a]: 2, [b]: 2 }, { [a]: 1, [b]: 1 }, 0.6)
    assert.equal(two.forms.borders(new Set(), given), 0.6 + 2 * 0.6)
    assert.equal(two.forms.borders(new Set([a]), given), 2 * 0.6)
    assert.equal(two.forms.borders(new Set([a, b]), given), 0)
    assert.equal(two.forms.fastest(given).floats.size, 0)
  })

  it('hand matrix products on in float without a conversion', () => {
    const product = formsOf('x[N,8] -> MatMul 8->8 -> y')
    assert.equal(product.forms.borders(new Set(), border(1)), 1)
  })

  it('are never beaten by another part', () => {
    const wide = formsOf(
      'x[N,4,8,8] -> Conv 1x1 4->4 -> a; a -> Conv 1x1 4->4 -> Relu -> b; b -> Add =a -> c; c -> Conv 1x1 4->4 -> d; d -> GlobalAveragePool -> y; c -> Conv 1x1 4->4 -> z',
    )
    const names = [...wide.placement.integer]
    assert.ok(names.length >= 5)
    const amounts = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: names.length, maxLength: names.length })
    const named = (list: readonly number[]) => Object.fromEntries(names.map((name, index) => [name, list[index] ?? 0]))
    fc.assert(
      fc.property(amounts, amounts, fc.integer({ min: 0, max: 4 }), (float, integer, each) => {
        const given = times(named(float), named(integer), each)
        const best = Math.min(
          ...Array.from({ length: 2 ** names.length }, (_, bits) =>
            wide.forms.milliseconds(new Set(names.filter((_name, index) => bits & (1 << index))), given),
          ),
        )
        assert.ok(Math.abs(wide.forms.fastest(given).milliseconds - best) < 1e-9)
      }),
      { numRuns: 50 },
    )
  })
})
