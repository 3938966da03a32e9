// `variants`, with transformers.js as the judge: what it loads for each dtype answers as our own session does.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { AutoModel, AutoTokenizer, env } from '@huggingface/transformers'
import { type VariantsRun, writeVariants } from '../src/pipeline/index.node.ts'
import { parseRecipe, type VariantsRecipe } from '../src/pipeline/index.ts'
import { openWebProcess } from '../src/runtime/index.node.ts'
import { withSession } from '../src/runtime/index.ts'
import { built } from './support/built.ts'
import { sharedFolder } from './support/manifest.ts'
import { testRuntime } from './support/rewrite-conformance.ts'
import { writeSmallHub } from './support/small-encoder.ts'

const folder = mkdtempSync(join(tmpdir(), 'variants-'))
const runtime = await testRuntime()
// Every command joins the process that is open here.
const web = openWebProcess()
after(async () => {
  await web?.close()
  rmSync(folder, { recursive: true })
})

env.allowRemoteModels = false

type Fields = Partial<VariantsRecipe>
const make = (fields: Fields) => writeVariants(runtime, parseRecipe('variants', fields))

/** What transformers.js answers in a dtype, and what our own session does with the same file and tokens. */
async function answers(hub: string, dtype: 'q8' | 'q4' | 'fp16', file: string, sentence: string) {
  env.localModelPath = dirname(hub)
  const name = basename(hub)
  const tokenizer = await AutoTokenizer.from_pretrained(name)
  const model = await AutoModel.from_pretrained(name, { dtype })
  const tokens = await tokenizer(sentence)
  const theirs = (await model(tokens)).last_hidden_state
  await model.dispose()
  const feeds = Object.fromEntries(
    Object.entries(tokens as Record<string, { data: BigInt64Array; dims: number[] }>).map(([input, { data, dims }]) => [
      input,
      { dtype: 'int64' as const, data, dims },
    ]),
  )
  const ours = await withSession(runtime, new Uint8Array(readFileSync(file)), {}, (session) => session.run(feeds))
  return { theirs: theirs.data as Float32Array, ours: ours['last_hidden_state']?.data as Float32Array }
}

function assertSame({ theirs, ours }: Awaited<ReturnType<typeof answers>>, what: string): void {
  assert.equal(theirs.length, ours.length, what)
  assert.ok(theirs.length > 0)
  for (const [i, value] of theirs.entries())
    assert.ok(Math.abs(value - (ours[i] ?? 0)) < 1e-4, `${what}: ${value} at ${i}`)
}

describe('the variants of a small encoder', () => {
  const hub = writeSmallHub(join(folder, 'tiny'))
  const dtypes = ['q8', 'q4', 'q4f16', 'fp16', 'int8', 'uint8', 'bnb4'] as const
  let run: VariantsRun
  before(async () => {
    run = await make({ model: hub, data: join(hub, 'sentences.txt'), dtypes: [...dtypes] })
  })

  it('lie under the names that transformers.js has for them, and nothing else does', () => {
    assert.deepEqual(
      readdirSync(join(hub, 'onnx')).sort(),
      ['', '_bnb4', '_fp16', '_int8', '_q4', '_q4f16', '_quantized', '_uint8'].map((end) => `model${end}.onnx`),
    )
  })

  it('load in both runtimes, which agree, are smaller, and keep what they should', () => {
    for (const { dtype, loads, runtimeCosine, sizeBytes, sqnrDb, cosine, latencyMs, written } of run.variants) {
      assert.ok(written, dtype)
      assert.deepEqual(Object.keys(loads), ['onnxruntime-node', 'onnxruntime-web'])
      assert.equal(Object.values(loads).filter((how) => how === true).length >= 1, true)
      if ((runtimeCosine ?? 0) >= 0.9999)
        assert.ok(
          Object.values(loads).every((how) => how === true),
          dtype,
        )
      assert.ok((sizeBytes ?? 0) < 0.7 * (run.float[0]?.sizeBytes ?? 0), `${dtype}: ${sizeBytes}`)
      assert.ok((sqnrDb ?? 0) > (/4/.test(dtype) ? 10 : dtype === 'fp16' ? 50 : 25), `${dtype}: ${sqnrDb} dB`)
      assert.ok((cosine ?? 0) > 0.9)
      assert.ok(Object.values(latencyMs).every((ms) => ms > 0))
    }
  })

  for (const [index, dtype] of dtypes.entries())
    it(`are loaded by transformers.js and answer as our session does: ${dtype}`, async () => {
      const { file } = run.variants[index] ?? { file: '' }
      assertSame(await answers(hub, dtype as 'q8', file, 'the big cat ran home faster .'), dtype)
    })

  it('have the same codes in q8, int8 and uint8: unsigned, which are exact on every processor', () => {
    const [q8, int8, uint8] = ['q8', 'int8', 'uint8'].map((dtype) =>
      readFileSync(run.variants.find((each) => each.dtype === dtype)?.file ?? ''),
    )
    assert.deepEqual(int8, q8)
    assert.deepEqual(uint8, q8)
  })
})

describe('a command that writes variants', () => {
  before(built)
  const hub = writeSmallHub(join(folder, 'refused'))
  const earlier = Buffer.from('an earlier one')
  writeFileSync(join(hub, 'onnx', 'model_q4.onnx'), earlier)

  it('does not write a file that loses too much, leaves the earlier one, and ends with 6', async () => {
    const args = ['variants', hub, '--dtypes', 'q4,fp16', '--data', join(hub, 'sentences.txt'), '--min-sqnr', '45']
    const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/onnxpress.js', ...args, '--json', '--quiet'], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    assert.equal(stderr, '1 of 2 files was not written: model_q4.onnx\n')
    assert.equal(status, 6)
    const [q4, fp16] = JSON.parse(stdout).variants
    assert.deepEqual([q4.written, fp16.written], [false, true])
    assert.match(
      q4.reason,
      /output last_hidden_state has [\d.]+ dB against the float model, less than 45 \(--min-sqnr\)/,
    )
    assert.deepEqual(readFileSync(join(hub, 'onnx', 'model_q4.onnx')), earlier)
    assert.deepEqual(readdirSync(join(hub, 'onnx')).sort(), ['model.onnx', 'model_fp16.onnx', 'model_q4.onnx'])
  })

  it('makes a folder that can be loaded, without samples too, and says what that means', async () => {
    const output = join(folder, 'elsewhere', 'tiny')
    const run = await make({ model: hub, dtypes: ['q8'], output })
    assert.match(run.notes.join(), /nothing was fitted to samples, and figures on random inputs say little/)
    assert.deepEqual(readdirSync(output).sort(), [
      'config.json',
      'onnx',
      'sentences.txt',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    const file = join(output, 'onnx', 'model_quantized.onnx')
    assertSame(await answers(output, 'q8', file, 'a dog sat'), 'q8')
  })

  it('takes several graphs, with samples of their own, and says which of them have none', async () => {
    const several = writeSmallHub(join(folder, 'several'))
    copyFileSync(join(several, 'onnx', 'model.onnx'), join(several, 'onnx', 'text_model.onnx'))
    const samples = join(folder, 'samples')
    mkdirSync(samples)
    copyFileSync(join(several, 'sentences.txt'), join(samples, 'text_model.txt'))
    const run = await make({ model: several, dtypes: ['fp16'], data: samples })
    assert.deepEqual(
      run.variants.map(({ graph, written }) => [graph, written]),
      [
        ['model', true],
        ['text_model', true],
      ],
    )
    assert.match(run.notes.join('\n'), /^model: .*has no samples for it/m)
    assert.match(run.notes.join('\n'), /^text_model: scored on 12 samples/m)
  })

  it('leaves nothing when it fails', async () => {
    const output = join(folder, 'nowhere', 'deep')
    await assert.rejects(
      make({ model: hub, dtypes: ['fp16'], data: join(folder, 'none.txt'), output }),
      /there are no samples/,
    )
    assert.equal(existsSync(join(folder, 'nowhere')), false)
  })

  it('refuses what is quantised already, and folders without a float model', async () => {
    const quantized = join(folder, 'quantized')
    mkdirSync(quantized)
    const model = join(quantized, 'other.onnx')
    copyFileSync(join(folder, 'tiny', 'onnx', 'model_quantized.onnx'), model)
    const { variants } = await make({ model, dtypes: ['q4'] })
    assert.match(variants[0]?.reason ?? '', /it is quantised already/)
    copyFileSync(model, join(quantized, 'model_q4.onnx'))
    rmSync(model)
    await assert.rejects(make({ model: quantized }), /holds variants alone \(model_q4\).*put its model\.onnx there/)
    await assert.rejects(make({ model: join(folder, 'samples') }), /there is no \.onnx file in/)
  })
})

const shared = { model: join(sharedFolder, 'models/strangers/minilm_l6.onnx') }

describe('the variants of MiniLM', {
  skip: existsSync(shared.model) ? false : 'there is no ../shared',
}, () => {
  it('are loaded by transformers.js and answer as our session does', async () => {
    const hub = join(folder, 'minilm')
    mkdirSync(join(hub, 'onnx'), { recursive: true })
    copyFileSync(shared.model, join(hub, 'onnx', 'model.onnx'))
    const data = join(sharedFolder, 'data/minilm')
    copyFileSync(join(data, 'tokenizer.json'), join(hub, 'tokenizer.json'))
    writeFileSync(join(hub, 'config.json'), JSON.stringify({ model_type: 'bert', hidden_size: 384 }))
    writeFileSync(join(hub, 'tokenizer_config.json'), JSON.stringify({ tokenizer_class: 'BertTokenizer' }))
    const dtypes = ['q8', 'q4'] as const
    // Without samples nothing is searched for: what is asked here is what loads.
    const run = await make({ model: hub, dtypes: [...dtypes] })
    for (const { dtype, file, written } of run.variants) {
      assert.ok(written, dtype)
      assertSame(await answers(hub, dtype as 'q8', file, 'How do I reset my password?'), dtype)
    }
  })
})
