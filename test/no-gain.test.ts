// What integers cannot help comes back as it was, and that is said.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { makeModel, makeNode, readModel, Tensor, writeModel } from '../src/onnx/index.ts'
import { quantizeFile, quantizeReport } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/recipe/index.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

/** x[N,40000] + a constant as large -> the mean -> MatMul 1->4 -> y: nearly all bytes and time are outside its only layer. */
const model = makeModel({
  name: 'constant',
  nodes: [
    makeNode({ opType: 'Add', inputs: ['x', 'constant'], outputs: ['sum'] }),
    makeNode({ opType: 'Sqrt', inputs: ['sum'], outputs: ['root'] }),
    makeNode({ opType: 'ReduceMean', inputs: ['root'], outputs: ['mean'] }),
    makeNode({ opType: 'Reshape', inputs: ['mean', 'shape'], outputs: ['row'] }),
    makeNode({ opType: 'MatMul', name: 'layer', inputs: ['row', 'weight'], outputs: ['y'] }),
  ],
  inputs: [{ name: 'x', dtype: 'float32', shape: [1, 40000] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [1, 4] }],
  initializers: {
    constant: Tensor.from(
      'float32',
      [40000],
      Float32Array.from({ length: 40000 }, (_, i) => 2 + Math.sin(i)),
    ),
    shape: Tensor.from('int64', [2], BigInt64Array.of(1n, 1n)),
    weight: Tensor.from('float32', [1, 4], Float32Array.of(1, -0.7, 0.4, 0.2)),
  },
})

describe('a model that integers cannot help', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-no-gain-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const [path, output] = ['model.onnx', 'out.onnx'].map((name) => join(folder, name)) as [string, string]
  const data = join(folder, 'data.mjs')
  writeFileSync(path, writeModel(model))
  writeFileSync(
    data,
    'export const size = 12\nexport default function* () { for (let k = 0; k < 12; k++) yield { inputs: { x: Float32Array.from({ length: 40000 }, (_, i) => 1 + k / 7 + Math.cos(i * k)) } } }',
  )
  const run = async (more: Record<string, unknown>) =>
    quantizeFile(await testRuntime(), parseRecipe('quantize', { model: path, data, output, ...more }))
  const quantizers = () =>
    readModel(readFileSync(output)).graph.nodes.filter(({ opType }) => opType === 'QuantizeLinear').length

  it('is written as it came, and the verdict says that nothing was quantised', async () => {
    // A run takes hundredths of a millisecond: now and then one form seems a tenth faster by chance.
    let result = await run({})
    for (let again = 0; again < 4 && !result.notes.some((note) => /gain nothing/.test(note)); again++)
      result = await run({})
    assert.match(result.notes.join('\n'), /integers gain nothing here .* the result is the float model as it came/)
    assert.equal(quantizers(), 0)
    assert.deepEqual(readModel(readFileSync(output)).graph.nodes.length, 5)
    const { verdict } = quantizeReport(result, await testRuntime())
    assert.match(verdict.headline, /nothing was quantised: none of 1 layers/)
    assert.ok(result.float.some(({ name, reason }) => name === 'layer' && /gain neither size nor time/.test(reason)))
  })

  it('is quantised all the same with --force', async () => {
    const { notes } = await run({ force: true })
    assert.doesNotMatch(notes.join('\n'), /gain nothing/)
    assert.ok(quantizers() > 0)
  })
})
