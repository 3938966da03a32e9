// The examples of docs/samples.md are run as they stand.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { openDataset } from '../src/data/index.node.ts'
import { readSamples } from '../src/data/index.ts'
import { intAttr, type Model, makeModel, makeNode, Tensor, writeModel } from '../src/onnx/index.ts'
import { compareFiles, quantizeFile } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { withSession } from '../src/runtime/index.ts'
import { testRuntime } from './support/rewrite-conformance.ts'
import { writeTokenizer } from './support/small-tokenizer.ts'

const weights = (...shape: number[]) =>
  Tensor.from(
    'float32',
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.7 * i)),
  )

/** A sentence encoder in small: tokens and token types looked up, what the mask leaves out zeroed, one layer. */
function encoder(): Model {
  const ids = ['input_ids', 'attention_mask', 'token_type_ids']
  return makeModel({
    name: 'encoder',
    nodes: [
      makeNode({ opType: 'Gather', inputs: ['words', 'input_ids'], outputs: ['word'] }),
      makeNode({ opType: 'Gather', inputs: ['types', 'token_type_ids'], outputs: ['type'] }),
      makeNode({ opType: 'Add', inputs: ['word', 'type'], outputs: ['sum'] }),
      makeNode({ opType: 'Cast', inputs: ['attention_mask'], outputs: ['kept'], attributes: { to: intAttr(1) } }),
      makeNode({ opType: 'Unsqueeze', inputs: ['kept', 'last'], outputs: ['wide'] }),
      makeNode({ opType: 'Mul', inputs: ['sum', 'wide'], outputs: ['masked'] }),
      makeNode({ opType: 'MatMul', inputs: ['masked', 'w'], outputs: ['y'] }),
    ],
    inputs: ids.map((name) => ({ name, dtype: 'int64' as const, shape: ['batch', 'sequence'] })),
    outputs: [{ name: 'y', dtype: 'float32' }],
    initializers: {
      words: weights(9000, 8),
      types: weights(2, 8),
      w: weights(8, 4),
      last: Tensor.from('int64', [1], [-1]),
    },
  })
}

/** Frames of a clip, and the rate at which they were taken. */
function listener(): Model {
  return makeModel({
    name: 'listener',
    nodes: [
      makeNode({ opType: 'Cast', inputs: ['sample_rate'], outputs: ['rate'], attributes: { to: intAttr(1) } }),
      makeNode({ opType: 'Div', inputs: ['rate', 'usual'], outputs: ['factor'] }),
      makeNode({ opType: 'Mul', inputs: ['frames', 'factor'], outputs: ['scaled'] }),
      makeNode({ opType: 'MatMul', inputs: ['scaled', 'w'], outputs: ['y'] }),
    ],
    inputs: [
      { name: 'frames', dtype: 'float32', shape: ['sequence_length', 8] },
      { name: 'sample_rate', dtype: 'int64', shape: [] },
    ],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['sequence_length', 2] }],
    initializers: {
      usual: Tensor.from('float32', [], [16000]),
      w: weights(8, 2),
    },
  })
}

describe('the examples of docs/samples.md', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-docs-'))
  const runtime = await testRuntime()
  const inFolder = (name: string) => join(folder, name)
  const models = { encoder: encoder(), listener: listener() }
  const text = readFileSync('docs/samples.md', 'utf8')
  const examples = [...text.matchAll(/As `([\w.]+)`:\n\n```\w+\n([\s\S]*?)```/g)].map(([, name = '', code = '']) => ({
    name,
    code,
  }))

  before(() => {
    for (const { name, code } of examples) writeFileSync(inFolder(name), code)
    for (const [name, model] of Object.entries(models)) writeFileSync(inFolder(`${name}.onnx`), writeModel(model))
    writeTokenizer(folder)
    const block = (value: (i: number) => number) =>
      new Uint8Array(BigInt64Array.from({ length: 32 * 16 }, (_, i) => BigInt(value(i))).buffer)
    writeFileSync(
      inFolder('ids.bin'),
      block((i) => (i * 37) % 9000),
    )
    writeFileSync(
      inFolder('mask.bin'),
      block((i) => (i % 16 < 10 ? 1 : 0)),
    )
  })
  after(() => rmSync(folder, { recursive: true }))

  it('are the four that this test knows', () => {
    assert.deepEqual(
      examples.map(({ name }) => name),
      ['reviews.jsonl', 'sentences.json', 'sentences.mjs', 'frames.mjs'],
    )
  })

  const expected = [
    { file: 'reviews.jsonl', model: 'encoder', size: 4, dims: [1, 7, 4] },
    { file: 'sentences.json', model: 'encoder', size: 32, dims: [1, 16, 4] },
    { file: 'sentences.mjs', model: 'encoder', size: 4, dims: [1, 4, 4] },
    { file: 'frames.mjs', model: 'listener', size: 12, dims: [64, 2] },
  ] as const
  for (const { file, model, size, dims } of expected)
    it(`${file} feeds its model, and quantises it`, async () => {
      const { inputs } = models[model].graph
      const dataset = await openDataset(inFolder(file), { inputs, modelFile: inFolder('model.onnx') })
      assert.equal(dataset.size, size)
      await withSession(runtime, models[model], {}, async (session) => {
        for await (const sample of readSamples(dataset, [0])) {
          const { y } = await session.run(sample.inputs)
          assert.deepEqual(y?.dims, dims)
          assert.ok((y?.data as Float32Array).every(Number.isFinite))
        }
      })
      const output = inFolder(`${file}.int8.onnx`)
      const recipe = parseRecipe('quantize', {
        model: inFolder(`${model}.onnx`),
        data: inFolder(file),
        output,
      })
      const run = await quantizeFile(runtime, recipe)
      // Embeddings of tokens are compared by their direction, frames of sound are none.
      assert.equal(run.comparison?.similarity !== undefined, model === 'encoder')
      assert.ok((run.comparison?.sqnrDb['y'] ?? 99) > 20, `${run.comparison?.sqnrDb['y']}`)
    })

  it('random inputs go through both: ids inside the vocabulary, masks of ones, a rate, a bounded length', async () => {
    for (const model of ['encoder', 'listener'] as const) {
      const output = inFolder(`${model}.random.onnx`)
      const recipe = parseRecipe('quantize', { model: inFolder(`${model}.onnx`), data: 'random', output })
      await quantizeFile(runtime, recipe)
      const compare = parseRecipe('compare', {
        model: inFolder(`${model}.onnx`),
        other: output,
        data: 'random',
      })
      assert.ok(((await compareFiles(runtime, compare)).comparison.sqnrDb['y'] ?? 99) > 20)
    }
  })
})
