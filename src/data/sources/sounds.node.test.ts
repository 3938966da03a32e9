import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { tone, wavFile } from '../../../test/support/wav-file.ts'
import { openFeatureExtractor } from '../feature-extractor.node.ts'
import { openDataset } from '../open-dataset.node.ts'

const folder = mkdtempSync(join(tmpdir(), 'sounds-'))
const put = (name: string, content: Uint8Array | object) => {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content instanceof Uint8Array ? content : JSON.stringify(content))
  return file
}
after(() => rmSync(folder, { recursive: true }))

const input = (name: string, ...shape: (number | string)[]) => ({ name, dtype: 'float32', shape })
const waveform = [input('x', 'batch', 'samples')]
put('set/a.wav', wavFile(tone(300, 0.1)))
put('set/b.wav', wavFile(tone(300, 0.1, 8000), { rate: 8000 }))
const set = join(folder, 'set')
const whisper = { feature_extractor_type: 'WhisperFeatureExtractor', feature_size: 80, sampling_rate: 16000 }
const spectrogram = { ...whisper, n_fft: 400, hop_length: 160, n_samples: 16000, nb_max_frames: 100 }

describe('sounds', () => {
  it('without a feature extractor are waveforms at the rate of the first one', async () => {
    const data = await openDataset(set, { inputs: waveform })
    assert.deepEqual([data.size, data.id(1), (await data.sample(1)).inputs['x']?.dims], [2, 'b.wav', [1, 1600]])
    assert.match(
      data.notes.join('; '),
      /fed as it is, at 16000 Hz; --processor.*sounds at 8000 Hz are resampled to 16000 Hz/,
    )
  })

  it('are cut or filled with silence where the model takes one length, and say their rate where it is asked', async () => {
    const sr = { name: 'sr', dtype: 'int64', shape: [] }
    const data = await openDataset(join(set, 'a.wav'), { inputs: [input('x', 1, 1, 2000), sr] })
    const { x, sr: rate } = (await data.sample(0)).inputs
    assert.deepEqual([x?.dims, x?.data[1900], Number(rate?.data[0])], [[1, 1, 2000], 0, 16000])
    assert.match(data.notes.join(), /sounds are cut to 2000 samples, or filled with silence/)
  })

  it('in class folders have the sorted place of their folder as label', async () => {
    put('classes/no/1.wav', wavFile(tone(200, 0.1)))
    put('classes/yes/1.wav', wavFile(tone(900, 0.1)))
    const data = await openDataset(join(folder, 'classes'), { inputs: waveform })
    assert.deepEqual([data.classNames, (await data.sample(1)).label], [['no', 'yes'], 1])
  })

  it('become features by the extractor of a folder, given or beside the model', async () => {
    put('hf/preprocessor_config.json', spectrogram)
    const features = [input('input_features', 'batch', 80, 100)]
    for (const options of [
      { processor: join(folder, 'hf') },
      { modelFile: join(folder, 'hf/onnx/encoder_model.onnx') },
    ]) {
      const data = await openDataset(set, { inputs: features, ...options })
      const value = (await data.sample(1)).inputs['input_features']
      assert.deepEqual(value?.dims, [1, 80, 100])
      assert.ok((value?.data as Float32Array).every(Number.isFinite))
    }
  })

  it('get the mask of the extractor only where the model has one', async () => {
    const normalized = { feature_extractor_type: 'Wav2Vec2FeatureExtractor', sampling_rate: 16000, do_normalize: true }
    const processor = put('w2v/preprocessor_config.json', normalized)
    const inputs = [input('input_values', 'batch', 'samples')]
    const masked = [...inputs, { name: 'attention_mask', dtype: 'int64', shape: ['batch', 'samples'] }]
    const names = async (specs: typeof inputs) =>
      Object.keys((await (await openDataset(set, { inputs: specs, processor })).sample(0)).inputs)
    assert.deepEqual(await names(inputs), ['input_values'])
    assert.deepEqual(await names(masked), ['input_values', 'attention_mask'])
  })
})

describe('a feature extractor that cannot be used', () => {
  const fails = (path: string, message: RegExp) => assert.rejects(openFeatureExtractor(path), message)

  it('is told in one sentence', async () => {
    await fails(
      set,
      /^InputError: there is no preprocessor_config\.json in .*set; --processor takes a Hugging Face folder/,
    )
    await fails(put('none.json', {}), /has no "feature_extractor_type" and "sampling_rate", so it is not for sound/)
    await fails(
      put('odd.json', { ...whisper, feature_extractor_type: 'ViTFeatureExtractor' }),
      /has no "ViTFeatureExtractor" for sound/,
    )
    const missing = () => Promise.reject(new Error('nowhere'))
    await assert.rejects(
      openFeatureExtractor(put('good.json', whisper), missing),
      /run "npm install @huggingface\/transformers"$/,
    )
  })
})
