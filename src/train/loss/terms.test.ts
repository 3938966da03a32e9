import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TensorValue } from '../../base/index.ts'
import { GraphEditor, type Model, Tensor } from '../../onnx/index.ts'
import { withSession } from '../../runtime/index.ts'
import { floatTrainableModel } from '../trainable-model.ts'
import { FEEDS } from '../training-graph.ts'
import { crossEntropy, distillation, type LossTerm, meanSquare } from './terms.ts'
import { userLoss } from './user-loss.ts'

interface Case {
  input: { x: { dims: number[]; data: number[] }; target?: number[]; teacher?: { data: number[] } }
  options: { op: string; attributes: Record<string, number | string> }
  expected: { y: number; grad: { x: { data: number[] } } }
}
const { cases } = JSON.parse(readFileSync(new URL('../rules/fixtures/gradients.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

/** A layer that hands its input on, so that the gradient of its bias is the loss's own, summed over the rows. */
function identity(classes: number): Model {
  const editor = new GraphEditor(tinyModel(`x[N,${classes}] -> Gemm ${classes}->${classes} -> y`))
  const node = editor.nodes('Gemm')[0]!
  const unit = Array.from({ length: classes * classes }, (_, i) => (i % (classes + 1) === 0 ? 1 : 0))
  editor.setConstant(node, 1, Tensor.from('float32', [classes, classes], unit))
  editor.setConstant(node, 2, Tensor.from('float32', [classes], new Float32Array(classes)), 'b')
  return editor.finish()
}

async function assertLoss(term: LossTerm, test: Case): Promise<void> {
  const { x, target, teacher } = test.input
  const [rows = 1, classes = 1] = x.dims
  // One row more, which counts nothing.
  const padded = (values: readonly number[]): TensorValue => ({
    dtype: 'float32',
    dims: [rows + 1, classes],
    data: Float32Array.from([...values, ...new Array<number>(classes).fill(7)]),
  })
  const model = identity(classes)
  const sample = { x: { dtype: 'float32' as const, dims: [1, classes], data: new Float32Array(classes) } }
  const options = { train: 'biases' as const, batch: rows + 1, batchNorm: 'frozen' as const, loss: [term] }
  const { graph, initial } = await floatTrainableModel(await testRuntime(), model, sample, {
    ...options,
    teacher: model,
  })
  const weights = (count: number): TensorValue => ({
    dtype: 'float32',
    dims: [count],
    data: Float32Array.from({ length: count }, (_, i) => (i < rows ? 1 : 0)),
  })
  const { needs } = graph
  const feeds: Record<string, TensorValue> = { x: padded(x.data) }
  if (needs.rowWeight) feeds[FEEDS.rowWeight] = weights(rows + 1)
  if (needs.sampleWeight) feeds[FEEDS.sampleWeight] = weights(rows + 1)
  if (needs.labels)
    feeds[FEEDS.labels] = { dtype: 'int64', dims: [rows + 1], data: BigInt64Array.from([...(target ?? []), 0], BigInt) }
  const other = teacher?.data ?? (test.input.target as unknown as { data: number[] } | undefined)?.data
  for (const name of needs.teacher) feeds[FEEDS.teacher(name)] = padded(other ?? [])
  for (const { name, dims } of graph.parameters) feeds[name] = { dtype: 'float32', dims, data: initial.get(name)! }
  const results = await withSession(await testRuntime(), graph.model, {}, (session) => session.run(feeds))
  const near = (got: number, expected: number, what: string) =>
    assert.ok(
      Math.abs(got - expected) <= 2e-5 * Math.max(1, Math.abs(expected)),
      `${what}: ${got}, expected ${expected}`,
    )
  near(Number(results[graph.loss]!.data[0]), test.expected.y, 'loss')
  const bias = results[graph.parameters[0]!.gradient]!.data as Float32Array
  for (let c = 0; c < classes; c++) {
    let sum = 0
    for (let row = 0; row < rows; row++) sum += test.expected.grad.x.data[row * classes + c]!
    near(bias[c]!, sum, `gradient of class ${c}`)
  }
}

describe('losses agree with an independent autograd, padding counts nothing', () => {
  for (const [index, test] of cases.entries()) {
    const { op, attributes } = test.options
    if (op === 'SoftmaxCrossEntropyLoss' && attributes['reduction'] === 'mean')
      it(`${index} cross entropy, smoothing ${attributes['labelSmoothing'] ?? 0}`, () =>
        assertLoss(crossEntropy({ smoothing: Number(attributes['labelSmoothing'] ?? 0) }), test))
    if (op === 'DistillationKl')
      it(`${index} distillation at temperature ${attributes['temperature']}`, () =>
        assertLoss(distillation({ temperature: Number(attributes['temperature']) }), test))
    if (op === 'MeanSquaredError') it(`${index} mean square distance`, () => assertLoss(meanSquare(), test))
  }

  it('takes a loss graph of the user: mean square distance, written as ONNX', async () => {
    const test = cases.find(({ options }) => options.op === 'MeanSquaredError')!
    const rows = test.input.x.dims[0]! + 1
    const graph = tinyModel(
      `z[${rows},3] -> Sub =t -> gap; gap -> Mul =gap -> square; square -> ReduceMean ints(1) keepdims=0 -> each; each -> Mul =weights -> counted; counted -> ReduceSum keepdims=0 -> sum; sum -> Mul number(${1 / (rows - 1)}) -> loss`,
      { opset: 18 },
    )
    const [z, ...others] = graph.graph.inputs
    graph.graph.inputs.splice(
      0,
      1 + others.length,
      { ...z!, name: 'y' },
      { ...z!, name: 'teacher:y' },
      { name: 'weights', dtype: 'float32', shape: [rows] },
    )
    for (const node of graph.graph.nodes)
      for (const [i, name] of node.inputs.entries())
        node.inputs[i] = name === 'z' ? 'y' : name === 't' ? 'teacher:y' : name
    await assertLoss(userLoss(await testRuntime(), graph), test)
  })
})
