import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Graph, intAttr, makeModel, makeNode, type Node, printType, Tensor } from './index.ts'
import { containersOf, inferTypes } from './types.ts'

const float = (name: string) => ({ name, dtype: 'float32' as const })
const graph = (nodes: readonly Node[], more: Partial<Graph> = {}): Graph => ({
  ...makeModel({ name: 'g', inputs: [float('x')], outputs: [], nodes }).graph,
  ...more,
})
const printed = (of: Graph) => Object.fromEntries([...inferTypes(of)].map(([name, type]) => [name, printType(type)]))
const body = (nodes: readonly Node[], inputs: readonly string[], outputs: readonly string[]): Graph =>
  graph(nodes, { inputs: inputs.map((name) => ({ name })), outputs: outputs.map((name) => ({ name })) })

describe('inferTypes', () => {
  it('follows what the operators say', () => {
    const types = printed(
      graph([
        makeNode({ opType: 'Shape', inputs: ['x'], outputs: ['s'] }),
        makeNode({ opType: 'Cast', inputs: ['s'], outputs: ['c'], attributes: { to: intAttr(1) } }),
        makeNode({ opType: 'Mul', inputs: ['c', 'x'], outputs: ['m'] }),
        makeNode({ opType: 'TopK', inputs: ['m', 's'], outputs: ['top', 'places'] }),
      ]),
    )
    assert.deepEqual(types, { x: 'float32', s: 'int64', c: 'float32', m: 'float32', top: 'float32', places: 'int64' })
  })

  it('does not guess the type of an operator that it does not know, nor of what comes from it', () => {
    const types = printed(
      graph([
        makeNode({ opType: 'Mystery', inputs: ['x'], outputs: ['a'] }),
        makeNode({ opType: 'Relu', inputs: ['a'], outputs: ['b'] }),
        makeNode({ opType: 'Relu', domain: 'com.example', inputs: ['x'], outputs: ['c'] }),
      ]),
    )
    assert.deepEqual(types, { x: 'float32' })
  })

  it('takes the types of what the graphs inside If, Loop and Scan give', () => {
    const then = body([makeNode({ opType: 'Neg', inputs: ['x'], outputs: ['t'] })], [], ['t'])
    const round = body(
      [
        makeNode({ opType: 'Identity', inputs: ['go'], outputs: ['on'] }),
        makeNode({ opType: 'Relu', inputs: ['state'], outputs: ['next'] }),
        makeNode({ opType: 'Shape', inputs: ['state'], outputs: ['scanned'] }),
      ],
      ['i', 'go', 'state'],
      ['on', 'next', 'scanned'],
    )
    const each = body([makeNode({ opType: 'IsNaN', inputs: ['part'], outputs: ['bad'] })], ['part'], ['bad'])
    const types = printed(
      graph(
        [
          makeNode({
            opType: 'If',
            inputs: ['c'],
            outputs: ['a'],
            attributes: { then_branch: { type: 'graph', value: then } },
          }),
          makeNode({
            opType: 'Loop',
            inputs: ['n', 'c', 'a'],
            outputs: ['b', 'd'],
            attributes: { body: { type: 'graph', value: round } },
          }),
          makeNode({
            opType: 'Scan',
            inputs: ['b'],
            outputs: ['e'],
            attributes: { body: { type: 'graph', value: each } },
          }),
        ],
        { initializers: new Map([['c', Tensor.from('bool', [], [1])]]) },
      ),
    )
    assert.deepEqual([types['a'], types['b'], types['d'], types['e']], ['float32', 'float32', 'int64', 'bool'])
  })

  it('knows sequences and optionals, and what is in them', () => {
    const of = graph([
      makeNode({ opType: 'SplitToSequence', inputs: ['x'], outputs: ['s'] }),
      makeNode({ opType: 'Optional', inputs: ['s'], outputs: ['o'] }),
      makeNode({ opType: 'OptionalGetElement', inputs: ['o'], outputs: ['again'] }),
      makeNode({ opType: 'SequenceAt', inputs: ['again', 'i'], outputs: ['y'] }),
      makeNode({ opType: 'SequenceLength', inputs: ['s'], outputs: ['n'] }),
    ])
    const { x: _x, ...types } = printed(of)
    assert.deepEqual(types, {
      s: 'sequence(float32)',
      o: 'optional(sequence(float32))',
      again: 'sequence(float32)',
      y: 'float32',
      n: 'int64',
    })
    assert.deepEqual([...containersOf(of)], ['s', 'o', 'again'])
  })

  it('believes a declaration before anything else', () => {
    const of = graph([makeNode({ opType: 'Mystery', inputs: ['x'], outputs: ['a'] })], {
      valueInfo: new Map([['a', { name: 'a', dtype: 'bool' }]]),
    })
    assert.equal(printed(of)['a'], 'bool')
  })
})
