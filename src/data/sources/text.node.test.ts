import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { smallTokenizer, smallVocabulary, tokensOf, writeTokenizer } from '../../../test/support/small-tokenizer.ts'
import type { Dataset } from '../dataset.ts'
import { type OpenOptions, openDataset } from '../open-dataset.node.ts'
import { openTokenizer } from '../tokenizer.node.ts'

const folder = mkdtempSync(join(tmpdir(), 'sentences-'))
const at = (name: string) => join(folder, name)
const put = (name: string, content: string | object) => {
  writeFileSync(at(name), typeof content === 'string' ? content : JSON.stringify(content))
  return at(name)
}
after(() => rmSync(folder, { recursive: true }))

const tokenizer = writeTokenizer(at('tok'))
const named = (length: number | string, ...names: string[]) =>
  names.map((name) => ({ name, dtype: 'int64', shape: ['batch', length] }))
const inputs = named('sequence', 'input_ids', 'attention_mask', 'token_type_ids')
const open = (path: string, options: Partial<OpenOptions> = {}) => openDataset(path, { inputs, tokenizer, ...options })
const values = async (data: Dataset, index: number, name = 'input_ids') =>
  Array.from((await data.sample(index)).inputs[name]?.data ?? [], Number)

describe('sentences', () => {
  const file = put('x.txt', 'The cat sat.\n\nA faster dog ran home\n')

  it('are tokenised one a sample, as long as they are, with mask and segments', async () => {
    const data = await open(file)
    assert.deepEqual([data.size, data.id(1), data.hasLabels], [2, 'x.txt#1', false])
    assert.deepEqual(await values(data, 0), tokensOf('[CLS]', 'the', 'cat', 'sat', '.', '[SEP]'))
    assert.deepEqual(await values(data, 1, 'attention_mask'), [1, 1, 1, 1, 1, 1, 1, 1])
    assert.deepEqual((await data.sample(1)).inputs['token_type_ids']?.dims, [1, 8])
    assert.deepEqual(data.notes, [`one empty line of ${file} is left out`])
  })

  it('are padded with a mask of 0, and cut, where the model takes one length', async () => {
    const data = await open(file, { inputs: named(7, 'input_ids', 'attention_mask') })
    assert.deepEqual(await values(data, 0), tokensOf('[CLS]', 'the', 'cat', 'sat', '.', '[SEP]', '[PAD]'))
    assert.deepEqual(await values(data, 0, 'attention_mask'), [1, 1, 1, 1, 1, 1, 0])
    assert.deepEqual(await values(data, 1), tokensOf('[CLS]', 'a', 'fast', '##er', 'dog', 'ran', '[SEP]'))
    assert.match(data.notes.join(), /one sentence was cut to 7 tokens/)
    const bare = await open(file, { inputs: named(7, 'ids') })
    assert.match(bare.notes.join(), /padded to 7 tokens, and the model has no mask that says so/)
  })

  it('are cut to what the configuration of tokenizer or model allows', async () => {
    const limits = [
      { 'tokenizer_config.json': { model_max_length: 5 } },
      { 'config.json': { max_position_embeddings: 5 }, 'tokenizer_config.json': { model_max_length: 1e30 } },
      { 'tokenizer.json': smallTokenizer({ truncation: { max_length: 5 } }) },
    ]
    for (const [index, files] of limits.entries()) {
      const data = await open(file, { tokenizer: writeTokenizer(at(`limit${index}`), files) })
      assert.deepEqual(await values(data, 0), tokensOf('[CLS]', 'the', 'cat', 'sat', '[SEP]'))
    }
  })

  it('take the side and the token of padding from the configuration', async () => {
    const left = writeTokenizer(at('left'), { 'tokenizer_config.json': { padding_side: 'left', pad_token: '[UNK]' } })
    const data = await open(file, { tokenizer: left, inputs: named(8, 'input_ids', 'attention_mask', 'position_ids') })
    assert.deepEqual((await values(data, 0)).slice(0, 3), tokensOf('[UNK]', '[UNK]', '[CLS]'))
    assert.deepEqual(await values(data, 0, 'position_ids'), [0, 0, 0, 1, 2, 3, 4, 5])
  })

  it('are padded to the longest one for who needs samples of one size', async () => {
    const data = await open(file, { equalLengths: true, labels: 'next-token' })
    assert.deepEqual(await values(data, 0, 'attention_mask'), [1, 1, 1, 1, 1, 1, 0, 0])
    assert.deepEqual((await data.sample(0)).label, [...tokensOf('the', 'cat', 'sat', '.', '[SEP]'), -1, -1, -1])
  })

  it('have class numbers: as they are, by the names of the configuration, or in sorted order', async () => {
    const numbers = await open(put('n.csv', 'sentence,label\nthe cat,1\nthe dog,0\n'))
    assert.deepEqual([numbers.hasLabels, (await numbers.sample(0)).label], [true, 1])
    const lines = put('l.jsonl', '{"text":"the cat","label":"good"}\n{"text":"the dog","label":"bad"}\n')
    const sorted = await open(lines)
    assert.deepEqual([sorted.classNames, (await sorted.sample(0)).label], [['bad', 'good'], 1])
    const known = writeTokenizer(at('known'), { 'config.json': { label2id: { good: 0, bad: 1, unsure: 2 } } })
    const configured = await open(lines, { tokenizer: known })
    assert.deepEqual([configured.classes, (await configured.sample(0)).label], [3, 0])
  })

  it('may be described in JSON, with the tokenizer and the next token as labels', async () => {
    put('table.csv', 'a,b\nx,the cat\n')
    const description = {
      format: 'text',
      file: 'table.csv',
      column: 'b',
      tokenizer: 'tok',
      labels: { format: 'next-token' },
    }
    const data = await openDataset(put('d.json', description), { inputs })
    assert.deepEqual((await data.sample(0)).label, [...tokensOf('the', 'cat', '[SEP]'), -1])
  })

  it('find the tokenizer beside the model, or in the folder above it, and say so', async () => {
    for (const model of ['tok/model.onnx', 'tok/onnx/model.onnx']) {
      const data = await openDataset(file, { inputs, modelFile: at(model) })
      assert.match(data.notes.join(), /tokenised by .*tok\/tokenizer\.json/)
    }
    await assert.rejects(
      openDataset(file, { inputs, modelFile: at('other/onnx/m.onnx') }),
      /x\.txt holds sentences, and there is no tokenizer\.json in .*onnx or the folder above it; give --tokenizer/,
    )
  })

  it('leave a decoder without a past, and its cache unused', async () => {
    const past = (name: string) => ({ name, dtype: 'float32', shape: ['batch', 2, 'past_sequence_length', 4] })
    const decoder = [
      ...inputs,
      past('past_key_values.0.key'),
      past('past_key_values.0.value'),
      { name: 'use_cache_branch', dtype: 'bool', shape: [1] },
    ]
    const data = await open(file, { inputs: decoder })
    const sample = (await data.sample(0)).inputs
    assert.deepEqual(sample['past_key_values.0.value']?.dims, [1, 2, 0, 4])
    assert.deepEqual([...(sample['use_cache_branch']?.data ?? [])], [0])
    assert.match(
      data.notes.join(),
      /"past_key_values.0.key" and 1 others hold what came before and are fed a past of length 0/,
    )
  })
})

describe('a tokenizer that cannot be used', () => {
  const file = put('y.txt', 'the cat\n')
  const fails = (path: string, message: RegExp) => assert.rejects(open(file, { tokenizer: path }), message)

  it('is told in one sentence', async () => {
    await fails(at('nowhere'), /^InputError: there is no tokenizer at .*nowhere: no such file or folder$/)
    await fails(folder, /has no tokenizer\.json; --tokenizer takes a Hugging Face folder with one, or the file itself/)
    await fails(put('broken.json', '{'), /cannot read .*broken\.json: it is not valid JSON/)
    await fails(put('none.json', {}), /cannot use the tokenizer .*none\.json: it has no "model"/)
    await fails(put('odd.json', smallTokenizer({ model: { type: 'Odd' } })), /cannot use the tokenizer .*odd\.json: /)
  })

  it('that makes tokens which the model does not have is told of', async () => {
    const data = await open(file, { vocabularies: { input_ids: 5 } })
    await assert.rejects(
      data.sample(0),
      /gives the token 5 for line 1 of .*y\.txt.* has 5 rows; is it the model's tokenizer\?/,
    )
    assert.ok(await (await open(file, { vocabularies: { input_ids: smallVocabulary } })).sample(0))
  })

  it('lacks its package: the line that installs it is in the message', async () => {
    const missing = () => Promise.reject(new Error("Cannot find package '@huggingface/tokenizers'"))
    await assert.rejects(openTokenizer(tokenizer, missing), /run "npm install @huggingface\/tokenizers"$/)
  })
})
