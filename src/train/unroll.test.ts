import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { run, testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import type { TensorValue } from '../base/index.ts'
import { randomStream } from '../math/index.ts'
import { type Attribute, type Graph, GraphEditor, type Model, makeNode, type Node, Tensor } from '../onnx/index.ts'
import type { Values } from '../runtime/index.ts'
import { withSession } from '../runtime/index.ts'
import type { LossTerm } from './loss/terms.ts'
import { floatTrainableModel } from './trainable-model.ts'

const node = (opType: string, inputs: string[], output: string, attributes: Record<string, Attribute> = {}): Node =>
  makeNode({ opType, inputs, outputs: [output], attributes })

const graph = (
  nodes: Node[],
  outputs: string[],
  inputs: Graph['inputs'] = [],
  tensors: [string, Tensor][] = [],
): Graph => ({
  name: 'inner',
  nodes,
  initializers: new Map(tensors),
  inputs,
  outputs: outputs.map((name) => ({ name })),
  valueInfo: new Map(),
})

const body = (value: Graph): Attribute => ({ type: 'graph', value })

/** x -> MatMul -> Tanh -> a -> what `make` puts there -> z -> MatMul -> y. */
function around(make: (editor: GraphEditor) => void): Model {
  const editor = new GraphEditor(tinyModel('x[N,4] -> MatMul 4->6 -> Tanh -> a -> Identity -> z -> MatMul 6->3 -> y'))
  const [middle] = editor.nodes('Identity')
  assert.ok(middle)
  editor.removeNode(middle)
  make(editor)
  return editor.finish()
}

/** An If on the sum of x: a·w + a or −a. */
const branches = (): Model =>
  around((editor) => {
    editor.addNode({
      opType: 'ReduceSum',
      inputs: ['x'],
      outputs: ['s'],
      attributes: { keepdims: { type: 'int', value: 0n } },
    })
    const zero = editor.addTensor('zero', Tensor.scalar(0))
    editor.addNode({ opType: 'Greater', inputs: ['s', zero], outputs: ['c'] })
    const w = Tensor.from('float32', [6], [1, -2, 0.5, 3, 0.1, 1])
    const yes = graph([node('Mul', ['a', 'w'], 't'), node('Add', ['t', 'a'], 'u')], ['u'], [], [['w', w]])
    const no = graph([node('Neg', ['a'], 'u')], ['u'])
    editor.addNode({
      opType: 'If',
      name: 'choice',
      inputs: ['c'],
      outputs: ['z'],
      attributes: { then_branch: body(yes), else_branch: body(no) },
    })
  })

/** Three rounds of h = tanh(h + w), and the last of the rounds' squares by Gather. */
const rounds = (
  count: (editor: GraphEditor) => string = (editor) => editor.addTensor('n', Tensor.from('int64', [], [3])),
) =>
  around((editor) => {
    const w = Tensor.from('float32', [6], [0.1, -0.2, 0.5, 0.3, 0.1, 0.4])
    const inner = graph(
      [
        node('Identity', ['going'], 'goes'),
        node('Add', ['h', 'w'], 't'),
        node('Tanh', ['t'], 'h2'),
        node('Mul', ['h2', 'a'], 'row'),
      ],
      ['goes', 'h2', 'row'],
      [
        { name: 'i', dtype: 'int64', shape: [] },
        { name: 'going', dtype: 'bool', shape: [] },
        { name: 'h', dtype: 'float32' },
      ],
      [['w', w]],
    )
    editor.addNode({
      opType: 'Loop',
      name: 'rounds',
      inputs: [count(editor), '', 'a'],
      outputs: ['last', 'all'],
      attributes: { body: body(inner) },
    })
    const axes = editor.addTensor('axes', Tensor.from('int64', [1], [0]))
    editor.addNode({
      opType: 'ReduceSum',
      inputs: ['all', axes],
      outputs: ['sum'],
      attributes: { keepdims: { type: 'int', value: 0n } },
    })
    editor.addNode({ opType: 'Add', inputs: ['last', 'sum'], outputs: ['z'] })
  })

/** An If that asks how many axes there are: the branch that is not taken would not run. */
const bySize = (): Model =>
  around((editor) => {
    editor.addNode({ opType: 'Shape', inputs: ['a'], outputs: ['dims'] })
    editor.addNode({ opType: 'Size', inputs: ['dims'], outputs: ['rank'] })
    const two = editor.addTensor('two', Tensor.from('int64', [], [2]))
    editor.addNode({ opType: 'Equal', inputs: ['rank', two], outputs: ['c'] })
    const seven = Tensor.from('int64', [2], [7, -1])
    editor.addNode({
      opType: 'If',
      inputs: ['c'],
      outputs: ['z'],
      attributes: {
        then_branch: body(graph([node('Exp', ['a'], 'u')], ['u'])),
        else_branch: body(graph([node('Reshape', ['a', 'seven'], 'u')], ['u'], [], [['seven', seven]])),
      },
    })
  })

/** Σ y². */
const squares: LossTerm = {
  name: 'squares',
  weight: 1,
  build: ({ g, value, output }) => g.sum(g.times(value(output), value(output)), [0, 1]),
}

const sample = (sign: number): Values => {
  const random = randomStream(5, 'sample')
  const data = Float32Array.from({ length: 4 }, () => sign * Math.abs(random.normal()))
  return { x: { dtype: 'float32', dims: [1, 4], data } }
}

const options = { train: 'all', batch: 1, batchNorm: 'frozen', loss: [squares] } as const

describe('the gradient through If and Loop', () => {
  for (const [what, model] of Object.entries({ 'an If': branches(), 'a Loop': rounds(), 'an If of sizes': bySize() }))
    for (const sign of [1, -1])
      it(`is that of the model as it came: ${what}, ${sign > 0 ? 'positive' : 'negative'} inputs`, async () => {
        const feeds = sample(sign)
        const {
          graph: training,
          initial,
          exported,
        } = await floatTrainableModel(await testRuntime(), model, feeds, options)
        assert.equal(training.parameters.length, 2)
        assert.deepEqual(training.untrained, [])
        const given: Record<string, TensorValue> = { ...feeds }
        for (const { name, dims } of training.parameters)
          given[name] = { dtype: 'float32', dims, data: initial.get(name) ?? new Float32Array(0) }
        const results = await withSession(await testRuntime(), training.model, {}, (session) => session.run(given))
        const lossOf = async (values: ReadonlyMap<string, Float32Array>) => {
          const y = (await run(exported(values), feeds))['y']?.data as Float32Array
          return y.reduce((sum, each) => sum + each * each, 0)
        }
        assert.ok(Math.abs(Number(results[training.loss]?.data[0]) - (await lossOf(initial))) < 1e-3)
        for (const { name, gradient } of training.parameters) {
          const slopes = results[gradient]?.data as Float32Array
          const random = randomStream(1, name)
          const direction = Float32Array.from(slopes, random.normal)
          const expected = slopes.reduce((sum, slope, i) => sum + slope * direction[i]!, 0)
          const moved = (step: number) =>
            lossOf(
              new Map(initial).set(
                name,
                initial.get(name)!.map((x, i) => x + step * direction[i]!),
              ),
            )
          const slope = ((await moved(0.003)) - (await moved(-0.003))) / 0.006
          assert.ok(
            Math.abs(slope - expected) < 5e-3 * Math.max(1, Math.abs(expected)),
            `${name}: ${slope}, ${expected}`,
          )
          assert.ok(Math.abs(expected) > 1e-3)
        }
      })

  it('is refused in a sentence where the rounds depend on the data', async () => {
    const model = rounds((editor) => {
      editor.addNode({
        opType: 'ReduceMax',
        inputs: ['x'],
        outputs: ['m'],
        attributes: { keepdims: { type: 'int', value: 0n } },
      })
      editor.addNode({ opType: 'Cast', inputs: ['m'], outputs: ['n'], attributes: { to: { type: 'int', value: 7n } } })
      return 'n'
    })
    await assert.rejects(
      floatTrainableModel(await testRuntime(), model, sample(1), options),
      /cannot train "\S+": node "rounds" is a Loop, which has no gradient \(the number of its rounds depends on the data\), and lies on the path .*; train only layers behind it \(--only\)/,
    )
  })

  it('is refused where the branches give values of two shapes', async () => {
    const model = branches()
    const choice = model.graph.nodes.find(({ opType }) => opType === 'If')
    const axes = Tensor.from('int64', [1], [1])
    const mean = node('ReduceSum', ['a', 'axes'], 'u')
    choice?.attributes.set('else_branch', body(graph([mean], ['u'], [], [['axes', axes]])))
    await assert.rejects(
      floatTrainableModel(await testRuntime(), model, sample(1), options),
      /node "choice" is an If, which has no gradient \(its branches give \[1,6\] and \[1,1\]\)/,
    )
  })
})
