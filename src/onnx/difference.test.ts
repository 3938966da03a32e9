import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { differenceOf } from './difference.ts'
import { type Attribute, intAttr, intsAttr, makeNode } from './index.ts'
import { type LayerForm, layerFormsOf } from './layer-forms.ts'
import type { Model, Node } from './model.ts'
import { Tensor } from './tensor.ts'

const drawing = 'x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> Conv 3x3 4->4 -> Flatten -> Gemm 64->10 -> y'

interface Codes {
  readonly channels?: number
  readonly most?: number
}

/** The model with one of its layers behind QuantizeLinear and DequantizeLinear. */
function quantized(model: Model, name: string, { channels = 1, most = 100 }: Codes = {}): Model {
  const initializers = new Map(model.graph.initializers)
  const put = (
    key: string,
    dtype: 'float32' | 'int8' | 'uint8',
    shape: readonly number[],
    values: readonly number[],
  ) => {
    initializers.set(key, Tensor.from(dtype, shape, values))
    return key
  }
  const nodes = model.graph.nodes.flatMap((node): Node[] => {
    if (node.name !== name) return [node]
    const [data = '', kernel = '', bias = ''] = node.inputs
    const { shape = [] } = initializers.get(kernel) ?? {}
    const size = shape.reduce((product, dim) => product * dim, 1)
    const codes = Array.from({ length: size }, (_, i) => (i % (most + 1)) - Math.floor(most / 2))
    const scale = put(`${name}/s`, 'float32', [], [0.1])
    const zero = put(`${name}/z`, 'uint8', [], [3])
    const own = put(`${name}/w`, 'int8', shape, codes)
    const scales = put(`${name}/ws`, 'float32', channels === 1 ? [] : [channels], Array(channels).fill(0.1))
    const read = (inputs: string[], output: string) =>
      makeNode({ opType: 'DequantizeLinear', name: output, inputs, outputs: [output] })
    return [
      makeNode({ opType: 'QuantizeLinear', name: `${name}/q`, inputs: [data, scale, zero], outputs: [`${name}/q`] }),
      read([`${name}/q`, scale, zero], `${name}/x`),
      read([own, scales], `${name}/k`),
      { ...node, inputs: [`${name}/x`, `${name}/k`, bias] },
    ]
  })
  return { ...model, graph: { ...model.graph, nodes, initializers } }
}

const words = ({ op, weight, activations, integer }: LayerForm) =>
  `${op} ${weight.dtype} ${weight.bits} ${weight.grid ?? '-'} ${activations}${integer ? ' integer' : ''}`

describe('the forms of layers', () => {
  const first = (model: Model) => words(layerFormsOf(model)[0] ?? assert.fail('no layer'))

  it('tell types, bits, scales and what a layer reads', () => {
    const model = tinyModel(drawing)
    const own = (codes: Codes) => first(quantized(model, 'Conv_v1', codes))
    assert.equal(first(model), 'Conv float32 32 - float32')
    assert.equal(own({}), 'Conv int8 8 per-tensor uint8 integer')
    assert.equal(own({ channels: 4 }), 'Conv int8 8 per-channel uint8 integer')
    assert.equal(own({ most: 14 }), 'Conv int8 4 per-tensor uint8 integer')
    assert.deepEqual(layerFormsOf(model)[2]?.shape, [64, 10])
  })

  it('see a weight behind Transpose, and codes that were moved since', () => {
    const model = quantized(tinyModel('x[N,4,8] -> Reshape ints(-1,8) -> MatMul 8->6 -> y'), 'MatMul_y')
    const [flat, quantize, dequantize, codes, product] = model.graph.nodes
    assert.ok(flat && quantize && dequantize && codes && product)
    const turned = makeNode({ opType: 'Transpose', inputs: ['MatMul_y/k'], outputs: ['turned'] })
    const moved = { ...flat, inputs: ['MatMul_y/x', flat.inputs[1] ?? ''] }
    const nodes = [
      { ...quantize, inputs: ['x', ...quantize.inputs.slice(1)] },
      dequantize,
      moved,
      codes,
      turned,
      { ...product, inputs: [flat.outputs[0] ?? '', 'turned'] },
    ]
    assert.equal(first({ ...model, graph: { ...model.graph, nodes } }), 'MatMul int8 8 per-tensor uint8 integer')
  })

  it('read operators that compute with codes themselves', () => {
    const model = tinyModel('x[N,64] -> MatMul 64->8 -> y')
    const swapped = (opType: string, attributes: Readonly<Record<string, Attribute>>, weight: Tensor) => {
      const initializers = new Map([
        ['codes', weight],
        ['scales', Tensor.from('float32', [16], Array(16).fill(0.1))],
      ])
      const inputs = ['x', 'codes', 'scales']
      const node = makeNode({ opType, domain: 'com.microsoft', name: 'm', inputs, outputs: ['y'], attributes })
      return { ...model, graph: { ...model.graph, nodes: [node], initializers } }
    }
    const packed = Tensor.from('uint8', [8, 2, 16], Array(256).fill(7))
    const [K, N, bits, block] = [64, 8, 4, 32].map((value) => intAttr(value))
    assert.ok(K && N && bits && block)
    const blocks = swapped('MatMulNBits', { K, N, bits, block_size: block }, packed)
    assert.equal(first(blocks), 'MatMulNBits uint8 4 blocks of 32 float32')
    assert.deepEqual(layerFormsOf(blocks)[0]?.shape, [64, 8])
    const plain = Tensor.from(
      'int8',
      [64, 8],
      Array.from({ length: 512 }, (_, i) => (i % 200) - 100),
    )
    assert.equal(
      first(swapped('DynamicQuantizeMatMul', {}, plain)),
      'DynamicQuantizeMatMul int8 8 per-channel dynamic integer',
    )
  })
})

describe('the difference of two models', () => {
  const model = tinyModel(drawing)

  it('is nothing for a model and itself', () => {
    const empty = { added: [], removed: [], changed: [], same: 3 }
    assert.deepEqual(differenceOf(model, model), { layers: empty, operators: {} })
  })

  it('names what a quantisation changes, layer by layer, and its operators', () => {
    const { layers, operators } = differenceOf(model, quantized(model, 'Conv_v3', { channels: 4 }))
    assert.deepEqual(
      layers.changed.map(({ before, aspects }) => [before.name, aspects.join()]),
      [['Conv_v3', 'weight,grid,activations,integer']],
    )
    assert.equal(layers.same, 2)
    assert.deepEqual(operators, {
      DequantizeLinear: { before: 0, after: 2 },
      QuantizeLinear: { before: 0, after: 1 },
    })
  })

  it('matches renamed layers by kind and shape, in order, and tells what was added and removed', () => {
    const renamed = {
      ...model,
      graph: { ...model.graph, nodes: model.graph.nodes.map((node) => ({ ...node, name: `${node.name}/new` })) },
    }
    const { layers } = differenceOf(model, renamed)
    assert.deepEqual(
      layers.changed.map(({ aspects }) => aspects),
      [['name'], ['name'], ['name']],
    )
    const longer = tinyModel(
      drawing.replace('-> Flatten', '-> Conv 1x1 4->4 -> Flatten').replaceAll('64->10', '64->12'),
    )
    const other = {
      ...longer,
      graph: { ...longer.graph, nodes: longer.graph.nodes.map((node) => ({ ...node, name: `${node.name}/new` })) },
    }
    const found = differenceOf(model, other).layers
    assert.deepEqual(
      found.added.map(({ name }) => name),
      ['Conv_v4/new', 'Gemm_y/new'],
    )
    assert.deepEqual(
      found.removed.map(({ name }) => name),
      ['Gemm_y'],
    )
  })

  it('does not take a matrix that is stored the other way round for another one', () => {
    const turned = tinyModel(drawing.replace('64->10', '64->10 transB=1'))
    assert.deepEqual(differenceOf(model, turned).layers.changed, [])
  })

  it('tells opset, inputs and outputs', () => {
    const other = tinyModel(drawing.replace('x[N,3', 'x[1,3'), { opset: 19 })
    const { opset, inputs, outputs, irVersion } = differenceOf(model, other)
    assert.deepEqual([opset, irVersion, outputs], [{ before: 17, after: 19 }, undefined, undefined])
    assert.deepEqual(inputs, { before: ['x float32[N,3,8,8]'], after: ['x float32[1,3,8,8]'] })
  })

  it('counts the operators of sub-graphs', () => {
    const body = tinyModel('a[2] -> Relu -> b').graph
    const loop = makeNode({
      opType: 'If',
      inputs: ['x'],
      outputs: ['y'],
      attributes: { then_branch: { type: 'graph', value: body }, axes: intsAttr([0]) },
    })
    const nested = { ...model, graph: { ...model.graph, nodes: [...model.graph.nodes, loop] } }
    const { operators } = differenceOf(model, nested)
    assert.deepEqual(operators, { If: { before: 0, after: 1 }, Relu: { before: 1, after: 2 } })
  })
})
