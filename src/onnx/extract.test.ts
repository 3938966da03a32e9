import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { extractModel } from './extract.ts'
import { intAttr, makeModel, makeNode, printModel, Tensor } from './index.ts'

const float = (name: string) => ({ name, dtype: 'float32' as const, shape: ['N', 4] })

/** x -> Split a, b; a -> Relu c; b, c -> Add y. */
const split = makeModel({
  name: 'split',
  inputs: [float('x')],
  outputs: [float('y')],
  initializers: { sizes: Tensor.from('int64', [2], [2, 2]) },
  nodes: [
    makeNode({ opType: 'Split', inputs: ['x', 'sizes'], outputs: ['a', 'b'], attributes: { axis: intAttr(1) } }),
    makeNode({ opType: 'Relu', inputs: ['a'], outputs: ['c'] }),
    makeNode({ opType: 'Add', inputs: ['b', 'c'], outputs: ['y'] }),
  ],
})

describe('extractModel', () => {
  it('gives another name to an output that is given where another output of its node is needed', () => {
    const { graph } = extractModel(split, [float('y')], [float('b')])
    assert.deepEqual(
      graph.nodes.map((node) => node.outputs),
      [['a', 'b/again'], ['c'], ['y']],
    )
    assert.deepEqual(graph.inputs.map(({ name }) => name).sort(), ['b', 'x'])
    assert.deepEqual(split.graph.nodes[0]?.outputs, ['a', 'b'], 'the model stays as it is')
  })

  it('leaves out a node of which every needed output is given', () => {
    const { graph } = extractModel(split, [float('y')], [float('b'), float('c')])
    assert.deepEqual(
      graph.nodes.map((node) => node.opType),
      ['Add'],
    )
    assert.equal(graph.initializers.size, 0)
  })

  it('names a value that there is not', () => {
    assert.throws(() => extractModel(split, [float('z')]), /the model has no value "z"/)
    assert.match(printModel(extractModel(split, [float('c')])), /Relu/)
  })
})
