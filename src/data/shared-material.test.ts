// The data sets that models were measured on, when they are there: every description opens and counts as it should.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chooseSamples } from './choose.ts'
import { openDataset } from './open-dataset.node.ts'
import { readSamples } from './read-samples.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(resolve(root, process.env['ONNXPRESS_SHARED'] ?? '../shared'), 'data')
const skip = existsSync(folder)
  ? false
  : `there is no ${folder}, so the shared data sets were not opened; all else was tested`

const sets: readonly (readonly [string, string, readonly (number | string)[], number, number | undefined])[] = [
  ['babyllama/stories.json', 'int64', ['N', 128], 8, 105],
  ['babyllama/samples.json', 'int64', ['N', 128], 64, 105],
  ['cifar10/test.json', 'float32', ['N', 3, 32, 32], 1000, 10],
  ['cifar10/train.json', 'float32', ['N', 3, 32, 32], 4000, 10],
  ['imagenet-even/dataset.json', 'float32', ['N', 3, 64, 64], 500, 1000],
  ['kws/dataset.json', 'float32', ['N', 1, 49, 10], 1000, 12],
  ['kws/calibration.json', 'float32', ['N', 1, 49, 10], 256, undefined],
  ['kws/test.json', 'float32', ['N', 1, 49, 10], 744, 12],
  ['magika/dataset.json', 'int32', ['N', 2048], 76, 214],
  ['mnist/test.json', 'float32', [1, 1, 28, 28], 10000, 10],
]

describe('the shared data sets', () => {
  for (const [name, dtype, shape, size, classes] of sets)
    it(`${name} has ${size} samples that fit ${dtype}[${shape}]`, { skip }, async () => {
      const data = await openDataset(join(folder, name), { inputs: [{ name: 'x', dtype, shape }] })
      assert.deepEqual([data.size, data.classes, data.hasLabels], [size, classes, classes !== undefined])
      for await (const { inputs, label } of readSamples(data, chooseSamples(size, 4))) {
        assert.deepEqual([inputs['x']?.dtype, inputs['x']?.dims], [dtype, [1, ...shape.slice(1)]])
        assert.equal(label !== undefined, classes !== undefined)
      }
    })

  it('sentences become the tokens that the reference tokenizer makes of them', { skip }, async () => {
    const names = ['input_ids', 'attention_mask', 'token_type_ids']
    const inputs = names.map((name) => ({ name, dtype: 'int64', shape: ['N', 'length'] }))
    const at = (name: string) => join(folder, 'minilm', name)
    const valuesOf = async (path: string, tokenizer?: string) => {
      const data = await openDataset(path, { inputs, tokenizer })
      const all: string[] = []
      for await (const { inputs: values } of readSamples(data, chooseSamples(data.size, data.size)))
        all.push(names.map((name) => `${values[name]?.dims}: ${values[name]?.data.join()}`).join('; '))
      return all
    }
    const own = new Set(await valuesOf(at('sentences.txt'), at('tokenizer.json')))
    const wanted = [...(await valuesOf(at('minilm.calib.mjs'))), ...(await valuesOf(at('minilm.eval.mjs')))]
    assert.deepEqual(
      wanted.filter((values) => !own.has(values)),
      [],
    )
    assert.equal(wanted.length, own.size)
  })

  it('odd-jpegs become three channels; five were grey and one was turned', { skip }, async () => {
    const inputs = [{ name: 'x', dtype: 'float32', shape: ['N', 3, 64, 64] }]
    const data = await openDataset(join(folder, 'odd-jpegs'), { inputs })
    for await (const { inputs: values } of readSamples(data, chooseSamples(6, 6)))
      assert.deepEqual(values['x']?.dims, [1, 3, 64, 64])
    assert.match(
      data.notes.join('; '),
      /5 pictures had one channel.*1 picture had an EXIF orientation, which was ignored/,
    )
  })
})
