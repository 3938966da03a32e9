import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InputError } from '../base/index.ts'
import { GraphEditor, makeNode } from './edit.ts'
import type { Model } from './model.ts'
import { printModel } from './print.ts'
import { sortNodes } from './sort.ts'
import { Tensor } from './tensor.ts'
import { writeModel } from './write.ts'

/** x -> Relu a -> Identity b -> Add(b, c) y, with a Constant c. */
function small(): Model {
  const value = (name: string) => ({ name, dtype: 'float32' as const, shape: ['N', 2] })
  return {
    irVersion: 8,
    opsets: new Map([['', 13]]),
    producer: 'test',
    metadata: new Map([['key', 'value']]),
    notes: [],
    graph: {
      name: 'small',
      nodes: [
        makeNode({ opType: 'Relu', inputs: ['x'], outputs: ['a'] }),
        makeNode({ opType: 'Identity', inputs: ['a'], outputs: ['b'] }),
        makeNode({ opType: 'Add', inputs: ['b', 'c'], outputs: ['y'] }),
      ],
      initializers: new Map([['c', Tensor.from('float32', [2], [1, 2])]]),
      inputs: [value('x')],
      outputs: [value('y')],
      valueInfo: new Map(),
    },
  }
}

const named = (editor: GraphEditor, output: string) => {
  const node = editor.producer(output)
  assert.ok(node, `no producer of ${output}`)
  return node
}

describe('GraphEditor', () => {
  it('never changes the model it was given', () => {
    const model = small()
    const before = writeModel(model)
    const editor = new GraphEditor(model)
    editor.bypass(named(editor, 'b'))
    editor.setConstant(named(editor, 'y'), 1, Tensor.from('float32', [2], [3, 4]))
    editor.finish()
    assert.deepEqual(writeModel(model), before)
  })

  it('bypasses a node and drops the constants that nobody reads any more', () => {
    const editor = new GraphEditor(small())
    editor.bypass(named(editor, 'b'))
    editor.setConstant(named(editor, 'y'), 1, Tensor.from('float32', [2], [3, 4]))
    assert.equal(
      printModel(editor.finish()),
      ['opset 13, IR 8', 'input x float32[N,2]', 'a = Relu(x)', 'y = Add(a, c_1:float32(3 4))', 'output y float32[N,2]']
        .join('\n')
        .replace('opset 13', 'opset onnx 13'),
    )
  })

  it('gives a changed slot a constant of its own and leaves other users on the old one', () => {
    const editor = new GraphEditor(small())
    editor.addNode({ opType: 'Mul', inputs: ['a', 'c'], outputs: ['z'] })
    editor.graph.outputs.push({ name: 'z', dtype: 'float32' })
    editor.setConstant(named(editor, 'y'), 1, Tensor.from('float32', [2], [3, 4]))
    assert.deepEqual(editor.constant(named(editor, 'z').inputs[1])?.numbers(), [1, 2])
    assert.deepEqual(editor.constant(named(editor, 'y').inputs[1])?.numbers(), [3, 4])
  })

  it('keeps the name of a graph output when the node that makes it goes', () => {
    const editor = new GraphEditor(small())
    const last = editor.addNode({ opType: 'Identity', inputs: ['y'], outputs: ['out'] })
    editor.graph.outputs.splice(0, 1, { name: 'out', dtype: 'float32' })
    assert.equal(editor.bypass(last), true)
    assert.equal(named(editor, 'out').opType, 'Add')
  })

  it('counts what a sub-graph captures as a use', () => {
    const editor = new GraphEditor(small())
    const body = {
      ...small().graph,
      nodes: [makeNode({ opType: 'Neg', inputs: ['b'], outputs: ['inner'] })],
      initializers: new Map<string, Tensor>(),
      inputs: [],
      outputs: [{ name: 'inner' }],
    }
    editor.addNode({
      opType: 'If',
      inputs: ['x'],
      outputs: ['z'],
      attributes: { then_branch: { type: 'graph', value: body } },
    })
    assert.equal(editor.isCaptured('b'), true)
    assert.equal(editor.soleConsumer('b'), undefined)
    // The captured name must survive: the node in front takes it over.
    assert.equal(editor.bypass(named(editor, 'b')), true)
    assert.equal(named(editor, 'b').opType, 'Relu')
  })

  it('sorts nodes and names a node on a circle', () => {
    const a = makeNode({ opType: 'Relu', inputs: ['b'], outputs: ['a'] })
    const b = makeNode({ opType: 'Relu', inputs: ['x'], outputs: ['b'] })
    assert.deepEqual(sortNodes([a, b]), [b, a])
    const circle = makeNode({ opType: 'Relu', inputs: ['a'], outputs: ['b'] })
    assert.throws(() => sortNodes([a, circle]), InputError)
  })
})
