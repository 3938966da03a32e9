import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { floatAttr, intAttr } from './attributes.ts'
import { anyBounds, layerBounds } from './channels/bounds.ts'
import { makeNode } from './edit.ts'
import { dataInput, hasOpenBias, type Layer, layerOf } from './layers.ts'
import { Tensor } from './tensor.ts'

const tensor = (...shape: number[]) => {
  const size = shape.reduce((a, b) => a * b, 1)
  return Tensor.from(
    'float32',
    shape,
    Float32Array.from({ length: size }, (_, i) => i + 1),
  )
}

/** The layer of an operator with constants by their names. */
function layer(
  opType: string,
  inputs: readonly string[],
  constants: Readonly<Record<string, Tensor>>,
  attributes: Parameters<typeof makeNode>[0]['attributes'] = {},
): Layer {
  const node = makeNode({ opType, name: opType, inputs: [...inputs], outputs: ['y'], attributes })
  return layerOf(node, (value) => constants[value ?? '']) ?? assert.fail(`${opType} is not a layer`)
}

describe('the view of a layer', () => {
  it('has the factors of a Gemm, and 1 where an operator has none', () => {
    const attributes = { alpha: floatAttr(2), beta: floatAttr(0.5) }
    const gemm = layer('Gemm', ['x', 'w', 'b'], { w: tensor(3, 2), b: tensor(2) }, attributes)
    assert.deepEqual([gemm.alpha, gemm.beta], [2, 0.5])
    const product = layer('MatMul', ['x', 'w'], { w: tensor(3, 2) }, attributes)
    assert.deepEqual([product.alpha, product.beta], [1, 1])
  })

  it('finds every weight at its output and input channels', () => {
    const values = (found: Layer) => {
      const { view, weight } = found
      assert.ok(view)
      return weight.floats()[view.offset(1) + view.inputStride]
    }
    const w = tensor(3, 2)
    assert.equal(values(layer('MatMul', ['x', 'w'], { w })), 4)
    assert.equal(values(layer('Gemm', ['x', 'w'], { w }, { transB: intAttr(1) })), 4)
    assert.equal(values(layer('Conv', ['x', 'w'], { w: tensor(3, 2, 1, 1) })), 4)
    assert.equal(values(layer('ConvTranspose', ['x', 'w'], { w: tensor(3, 2, 1, 1) })), 4)
  })

  it('reads the operand that is not a weight, on whichever side it stands', () => {
    const left = layer('MatMul', ['w', 'x'], { w: tensor(3, 2) })
    assert.deepEqual([dataInput(left), left.weightIndex, left.view], ['x', 0, undefined])
    assert.equal(dataInput(layer('Conv', ['x', 'w'], { w: tensor(2, 1, 1, 1) })), 'x')
  })

  it('tells a bias that is computed from none: nothing can be said of what such a layer gives', () => {
    const w = tensor(2, 1, 1, 1)
    const open = layer('Conv', ['x', 'w', 'b'], { w })
    const closed = layer('Conv', ['x', 'w', 'b'], { w, b: tensor(2) })
    assert.deepEqual([open, closed, layer('Conv', ['x', 'w'], { w })].map(hasOpenBias), [true, false, false])
    const bounds = (each: Layer) => each.view && layerBounds({ ...each, view: each.view }, [{ low: 0, high: 1 }])
    assert.deepEqual(bounds(open), [anyBounds, anyBounds])
    assert.deepEqual(bounds(closed), [
      { low: 1, high: 2 },
      { low: 2, high: 4 },
    ])
  })
})
