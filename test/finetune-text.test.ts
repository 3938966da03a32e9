// A small encoder with a head, trained on sentences with labels: from a .csv and a tokenizer to a written file.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { randomStream } from '../src/math/index.ts'
import { readModelFile, writeModelFile } from '../src/onnx/index.node.ts'
import { intAttr, intsAttr, type Model, makeModel, makeNode, Tensor } from '../src/onnx/index.ts'
import { finetuneFile, finetuneJson } from '../src/pipeline/index.node.ts'
import { parseRecipe } from '../src/pipeline/index.ts'
import { testRuntime } from './support/rewrite-conformance.ts'
import { smallVocabulary, writeTokenizer } from './support/small-tokenizer.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-finetune-text-'))
const runtime = await testRuntime()
after(() => rmSync(folder, { recursive: true }))

/** Embedding, a feed-forward layer with GELU's formula, the mean of the tokens that the mask counts, and a head of two classes. */
function encoder(): Model {
  const random = randomStream(0, 'encoder')
  const floats = (...dims: number[]) =>
    Tensor.from(
      'float32',
      dims,
      Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => 0.5 * random.normal()),
    )
  const node = (opType: string, inputs: string[], output: string, attributes = {}) =>
    makeNode({ opType, name: output, inputs, outputs: [output], attributes })
  const model = makeModel({
    name: 'encoder',
    inputs: ['input_ids', 'attention_mask'].map((name) => ({ name, dtype: 'int64', shape: ['batch', 'length'] })),
    outputs: [{ name: 'logits', dtype: 'float32', shape: ['batch', 2] }],
    nodes: [
      node('Gather', ['words', 'input_ids'], 'embedded'),
      node('MatMul', ['embedded', 'up'], 'hidden'),
      node('Div', ['hidden', 'root'], 'scaled'),
      node('Erf', ['scaled'], 'erf'),
      node('Add', ['erf', 'one'], 'gate'),
      node('Mul', ['hidden', 'gate'], 'active'),
      node('MatMul', ['active', 'down'], 'lowered'),
      node('Cast', ['attention_mask'], 'kept', { to: intAttr(1) }),
      node('Unsqueeze', ['kept', 'last'], 'column'),
      node('Mul', ['lowered', 'column'], 'counted'),
      node('ReduceMean', ['counted'], 'pooled', { axes: intsAttr([1]), keepdims: intAttr(0) }),
      node('Gemm', ['pooled', 'head', 'bias'], 'logits', { transB: intAttr(1) }),
    ],
    initializers: {
      words: floats(smallVocabulary, 8),
      up: floats(8, 16),
      down: floats(16, 8),
      head: floats(2, 8),
      bias: Tensor.from('float32', [2], [0, 0]),
      root: Tensor.from('float32', [], [Math.SQRT2]),
      one: Tensor.from('float32', [], [1]),
      last: Tensor.from('int64', [1], [-1]),
    },
  })
  return model
}

const sentences = ['the', 'a', 'the old', 'a big', 'the fast', 'a faster'].flatMap((start) =>
  ['cat sat.', 'cat ran home', 'cat ran', 'dog ran home.', 'dog sat', 'dog ran'].map((rest) => `${start} ${rest}`),
)

describe('finetune on sentences', () => {
  const [model, data] = [join(folder, 'encoder.onnx'), join(folder, 'train.csv')]
  const tokenizer = writeTokenizer(join(folder, 'tokenizer'))
  const rows = sentences.map((text) => `${text},${text.includes('cat') ? 'feline' : 'canine'}`)
  writeFileSync(data, ['text,label', ...rows].join('\n'))

  for (const [what, more] of [
    ['all weights', { lr: 0.01 }],
    ['low-rank adapters', { lora: 2, lr: 0.05 }],
    ['low-rank adapters, from a teacher', { loss: 'distill', lora: 2, lr: 0.05, teacher: join(folder, 'lr.onnx') }],
  ] as const)
    it(`learns their labels, short and long ones in one batch: ${what}`, async () => {
      await writeModelFile(encoder(), model)
      const output = join(folder, `${Object.keys(more)[0]}.onnx`)
      const given = { model, data, tokenizer, output, val: data, epochs: 30, batch: 12, ...more }
      const run = await finetuneFile(runtime, parseRecipe('finetune', given))
      const metric = finetuneJson(run)['metric'] as { name: string; before: number; after: number }
      assert.ok(metric.after > 0.95 && metric.after >= metric.before, JSON.stringify(metric))
      const written = await readModelFile(output)
      assert.deepEqual(written.graph.inputs[0]?.shape, ['batch', 'length'])
      if ('lora' in more) assert.deepEqual(run.layers.trained, 3)
    })
})
