import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { layerPlaces } from './blocks.ts'
import { makeNode } from './edit.ts'
import { makeModel } from './make-model.ts'
import type { Node } from './model.ts'
import { Tensor } from './tensor.ts'

const square = () => Tensor.from('float32', [4, 4], new Float32Array(16))

type Part = 'attention' | 'linear' | 'relu'

/** A chain of parts: attentions of query, key and value, and linear layers. Names say nothing. */
function chain(...parts: readonly Part[]) {
  const nodes: Node[] = []
  const initializers: Record<string, Tensor> = {}
  let [value, count] = ['x', 0]
  const add = (opType: string, ...inputs: string[]) => {
    const output = `v${count++}`
    nodes.push(makeNode({ opType, name: `n${count}`, inputs, outputs: [output] }))
    return output
  }
  const linear = (from: string) => {
    initializers[`w${count}`] = square()
    return add('MatMul', from, `w${count}`)
  }
  for (const part of parts) {
    if (part === 'relu') value = add('Relu', value)
    else if (part === 'linear') value = add('Add', value, linear(value))
    else {
      const [query, key, mixed] = [linear(value), linear(value), linear(value)]
      const scores = add('Softmax', add('MatMul', query, add('Transpose', key)))
      value = add('Add', value, linear(add('MatMul', scores, mixed)))
    }
  }
  nodes.push(makeNode({ opType: 'Identity', inputs: [value], outputs: ['y'] }))
  return makeModel({
    name: 'chain',
    nodes,
    inputs: [{ name: 'x', dtype: 'float32', shape: [1, 3, 4] }],
    outputs: [{ name: 'y', dtype: 'float32' }],
    initializers,
  })
}
const places = (...parts: readonly Part[]) =>
  [...layerPlaces(chain(...parts)).values()].map(({ part, block }) => `${block ?? '-'} ${part}`)
const attention = (block: number) => Array<string>(4).fill(`${block} attention`)

describe('layerPlaces', () => {
  it('begins a block with each attention; what is in front and behind the last has none', () => {
    const two = ['attention', 'linear', 'linear'] as const
    assert.deepEqual(places('linear', ...two, ...two, 'linear'), [
      '- feed-forward',
      ...attention(1),
      '1 feed-forward',
      '1 feed-forward',
      ...attention(2),
      '2 feed-forward',
      '2 feed-forward',
      '- linear',
    ])
  })

  it('takes two attentions without a layer between them for one block', () => {
    const block = ['attention', 'attention', 'linear'] as const
    assert.deepEqual(places(...block, ...block), [
      ...[...attention(1), ...attention(1), '1 feed-forward'],
      ...[...attention(2), ...attention(2), '2 feed-forward'],
    ])
  })

  it('knows no blocks where there is no attention', () => {
    assert.equal(layerPlaces(chain('linear', 'relu', 'linear')).size, 0)
  })
})
