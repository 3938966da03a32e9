import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { writeModelFile } from '../../onnx/index.node.ts'
import { parseRecipe } from '../../recipe/index.ts'
import { lossOf } from './loss.node.ts'

const runtime = await testRuntime()
const folder = mkdtempSync(join(tmpdir(), 'onnxpress-loss-'))
after(() => rmSync(folder, { recursive: true }))

const plain = tinyModel('x[N,4] -> Gemm 4->4 -> h; h -> Relu -> Gemm 4->4 -> y')
const classifier = tinyModel('x[N,4] -> Gemm 4->4 -> Softmax -> y')
const several = tinyModel('x[N,4] -> Gemm 4->4 -> y!; y -> Relu -> z')
const sample = { x: { dtype: 'float32' as const, dims: [1, 4], data: Float32Array.of(1, 2, 3, 4) } }

/** How many terms, and whether a teacher and inner tensors are needed. */
async function chosen(more: object, { model = plain, labels = false, teacher = plain } = {}) {
  const recipe = parseRecipe('finetune', { model: 'm.onnx', data: 'd', ...more })
  const { terms, needsTeacher, matched } = await lossOf(runtime, recipe, model, { hasLabels: labels, teacher, sample })
  return [terms.length, needsTeacher, matched]
}

describe('the loss of a training', () => {
  it('is the cross entropy where there are labels, with a teacher beside it where there is one', async () => {
    assert.deepEqual(await chosen({}, { labels: true }), [1, false, false])
    assert.deepEqual(await chosen({ teacher: 't.onnx' }, { labels: true }), [2, true, false])
    assert.deepEqual(await chosen({ qat: true }, { labels: true }), [2, true, false])
    assert.deepEqual(await chosen({ teacher: 't.onnx', alpha: 1 }, { labels: true }), [1, false, false])
    assert.deepEqual(await chosen({ teacher: 't.onnx', alpha: 0 }, { labels: true }), [1, true, false])
  })

  it('needs labels for the cross entropy, and a teacher without them', async () => {
    await assert.rejects(chosen({ loss: 'cross-entropy' }), /d has no labels, and the cross entropy needs them/)
    await assert.rejects(chosen({}), /a float model cannot learn from itself: give --teacher/)
    assert.deepEqual(await chosen({ qat: true }), [1, true, false])
  })

  it('is the distance of all outputs that the teacher has too, of a classifier the divergence', async () => {
    for (const model of [plain, classifier, several])
      assert.deepEqual(await chosen({ teacher: 't.onnx' }, { model, teacher: model }), [1, true, false])
  })

  it('keeps inner tensors near the teacher where they are named, or shared', async () => {
    assert.deepEqual(await chosen({ teacher: 't.onnx', match: ['h'] }), [2, true, true])
    assert.deepEqual(await chosen({ teacher: 't.onnx', match: ['auto'] }), [2, true, true])
    assert.deepEqual(await chosen({ match: ['h'] }, { labels: true }), [2, true, true])
  })

  it('is a graph of the user, which may ask the teacher', async () => {
    const [alone, taught] = [join(folder, 'loss.onnx'), join(folder, 'taught.onnx')]
    await writeModelFile(tinyModel('y[N,4] -> ReduceMean -> loss'), alone)
    assert.deepEqual(await chosen({ lossGraph: alone }), [1, false, false])
    const graph = tinyModel('y[N,4] -> ReduceMean -> loss')
    const inputs = graph.graph.inputs.map((input) => ({ ...input, name: 'teacher:y' }))
    const nodes = graph.graph.nodes.map((node) => ({ ...node, inputs: ['teacher:y'] }))
    await writeModelFile({ ...graph, graph: { ...graph.graph, inputs, nodes } }, taught)
    assert.deepEqual(await chosen({ lossGraph: taught }), [1, true, false])
  })
})
