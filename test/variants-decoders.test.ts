// `variants` of models of several graphs and of decoders with a cache: what they are fitted to, what is told of each file.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { writeModel } from '../src/onnx/index.ts'
import { type VariantsRun, writeVariants } from '../src/pipeline/index.node.ts'
import { parseRecipe, type VariantsRecipe } from '../src/pipeline/index.ts'
import { openWebProcess } from '../src/runtime/index.node.ts'
import { testRuntime } from './support/rewrite-conformance.ts'
import { smallDecoder } from './support/small-decoder.ts'
import { smallEncoder, writeSmallHub } from './support/small-encoder.ts'

const folder = mkdtempSync(join(tmpdir(), 'decoders-'))
const runtime = await testRuntime()
// Every command joins the process that is open here.
const web = openWebProcess()
after(async () => {
  await web?.close()
  rmSync(folder, { recursive: true })
})

const make = (fields: Partial<VariantsRecipe>) =>
  writeVariants(runtime, parseRecipe('variants', { minSqnr: 5, ...fields }))

/** A folder with these graphs, the encoder among them where there is one behind. */
function hubOf(name: string, graphs: Readonly<Record<string, Parameters<typeof smallDecoder>[0]>>): string {
  const hub = writeSmallHub(join(folder, name), smallEncoder(1))
  const model = join(hub, 'onnx', 'model.onnx')
  rmSync(model)
  for (const [graph, kind] of Object.entries(graphs)) {
    writeFileSync(join(hub, 'onnx', `${graph}.onnx`), writeModel(smallDecoder(kind)))
    if (kind.behind === 'encoder' && name !== 'no encoder')
      writeFileSync(join(hub, 'onnx', 'encoder_model.onnx'), writeModel(smallEncoder(1)))
  }
  writeFileSync(join(hub, 'generation_config.json'), JSON.stringify({ decoder_start_token_id: 2, eos_token_id: 3 }))
  return hub
}

const of = (run: VariantsRun, graph: string, dtype: string) => {
  const found = run.variants.find((each) => each.graph === graph && each.dtype === dtype)
  assert.ok(found, `${graph} ${dtype}`)
  return found
}

describe('the variants of an encoder with its decoders', () => {
  let run: VariantsRun
  before(async () => {
    const hub = hubOf('both', {
      decoder_model: { behind: 'encoder', past: 'none' },
      decoder_with_past_model: { behind: 'encoder', past: 'needed' },
    })
    run = await make({ model: hub, data: join(hub, 'sentences.txt'), dtypes: ['q8', 'q4', 'fp16'] })
  })

  it('are made of what the encoder makes of the samples, and of real caches', () => {
    const notes = run.notes.join('\n')
    assert.match(
      notes,
      /^decoder_model: its samples are made of what encoder_model made of .* the tokens that the float decoder writes$/m,
    )
    assert.match(
      notes,
      /^decoder_with_past_model: its samples are made of what encoder_model made of .* of caches of its own$/m,
    )
    assert.match(notes, /^decoder_with_past_model: scored on 12 samples that nothing was fitted to$/m)
    assert.doesNotMatch(notes, /has no samples|random inputs/)
  })

  it('are all written, with the tokens that each writes otherwise', () => {
    for (const { graph, dtype, written, reason, tokenErrorRate, sqnrDb } of run.variants) {
      assert.ok(written, `${graph} ${dtype}: ${reason}`)
      assert.equal(tokenErrorRate === undefined, graph === 'encoder_model', graph)
      assert.ok((sqnrDb ?? 99) > (dtype === 'fp16' ? 45 : 5), `${graph} ${dtype}: ${sqnrDb} dB`)
      if (dtype === 'fp16') assert.ok((tokenErrorRate ?? 0) < 0.1, `${graph}: ${tokenErrorRate}`)
    }
  })

  it('of which one without its partner says so', async () => {
    const hub = hubOf('no encoder', {
      decoder_model: { behind: 'encoder', past: 'none' },
      text_model: { behind: 'nothing', past: 'both' },
    })
    const { notes } = await make({ model: hub, data: join(hub, 'sentences.txt'), dtypes: ['fp16'] })
    assert.match(
      notes.join('\n'),
      /^decoder_model: its samples could not be made \(it reads "encoder_hidden_states", and/m,
    )
    assert.match(notes.join('\n'), /^text_model: its samples are made of/m)
  })
})

describe('the variants of a merged decoder', () => {
  it('hold both branches, are scored through both, and load everywhere', async () => {
    const hub = hubOf('merged', { decoder_model_merged: { behind: 'encoder', past: 'merged' } })
    const dtypes = ['q8', 'q4', 'q4f16', 'fp16'] as const
    const run = await make({ model: hub, data: join(hub, 'sentences.txt'), dtypes: [...dtypes] })
    for (const dtype of dtypes) {
      const { written, reason, tokenErrorRate, sqnrDb, loads } = of(run, 'decoder_model_merged', dtype)
      assert.ok(written, `${dtype}: ${reason}`)
      assert.deepEqual(loads, { 'onnxruntime-node': true, 'onnxruntime-web': true })
      assert.ok((sqnrDb ?? 0) > { q8: 25, q4: 8, q4f16: 8, fp16: 45 }[dtype], `${dtype}: ${sqnrDb} dB`)
      assert.ok((tokenErrorRate ?? 1) < 0.3, `${dtype}: ${tokenErrorRate}`)
    }
    assert.match(run.notes.join('\n'), /model_merged_q4\.onnx: its two branches are quantised alike/)
    assert.doesNotMatch(run.notes.join('\n'), /left as they are/)
  })

  it('are written without samples, too, on what the encoder makes of random inputs', async () => {
    const hub = hubOf('unheard', { decoder_model_merged: { behind: 'encoder', past: 'merged' } })
    const run = await make({ model: hub, dtypes: ['q4'] })
    const { written, reason } = of(run, 'decoder_model_merged', 'q4')
    assert.ok(written, reason)
    assert.match(
      run.notes.join('\n'),
      /^decoder_model_merged: its samples are made of what encoder_model made of random inputs/m,
    )
  })
})

describe('the variants of a decoder alone', () => {
  it('are fitted to sentences with and without a cache', async () => {
    const hub = hubOf('alone', { model: { behind: 'nothing', past: 'both' } })
    const run = await make({ model: hub, data: join(hub, 'sentences.txt'), dtypes: ['q8', 'q4f16'] })
    assert.match(run.notes.join('\n'), /model: its samples are made of .*sentences\.txt, and of caches of its own/)
    for (const dtype of ['q8', 'q4f16']) {
      const { written, reason, agreement, tokenErrorRate } = of(run, 'model', dtype)
      assert.ok(written, reason)
      assert.ok((agreement ?? 0) > 0.5 && (tokenErrorRate ?? 1) < 0.7, `${dtype}: ${agreement}, ${tokenErrorRate}`)
    }
  })
})
