import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tone, wavFile } from '../../test/support/wav-file.ts'
import { resample } from './resample.ts'
import { decodeWav } from './wav.ts'

const near = (a: ArrayLike<number>, b: ArrayLike<number>, within: number) => {
  assert.equal(a.length, b.length)
  for (let i = 0; i < a.length; i++) assert.ok(Math.abs(a[i]! - b[i]!) <= within, `${i}: ${a[i]} and ${b[i]}`)
}

describe('decodeWav', () => {
  const samples = [0, 0.5, -0.5, 0.99, -1, 0.001]

  it('reads whole numbers of 8 to 32 bits, and floats', () => {
    for (const bits of [8, 16, 24, 32] as const)
      near(decodeWav(wavFile(samples, { bits }), 'x.wav').samples, samples, 2 ** (1 - bits) + 1e-7)
    near(decodeWav(wavFile(samples, { bits: 32, float: true }), 'x.wav').samples, samples, 1e-7)
  })

  it('mixes channels, and knows the rate', () => {
    const { rate, samples: mono } = decodeWav(wavFile([0.5, 0.25, -0.5, 0], { channels: 2, rate: 8000 }), 'x.wav')
    assert.equal(rate, 8000)
    near(mono, [0.375, -0.25], 1e-4)
  })

  it('reads on where a stream did not know its size, and after chunks that say nothing', () => {
    const bytes = wavFile(samples)
    new DataView(bytes.buffer).setUint32(40, 0xffffffff, true)
    assert.equal(decodeWav(bytes, 'x.wav').samples.length, samples.length)
    const odd = Uint8Array.from([...bytes.subarray(0, 36), ...new TextEncoder().encode('LIST'), 3, 0, 0, 0, 1, 2, 3, 0])
    assert.equal(decodeWav(Uint8Array.from([...odd, ...bytes.subarray(36)]), 'x.wav').samples.length, samples.length)
  })

  it('says in one sentence what it cannot read', () => {
    assert.throws(
      () => decodeWav(new Uint8Array(50), 'x.wav'),
      /^InputError: cannot read the sound x\.wav: it is not a WAV/,
    )
    assert.throws(() => decodeWav(wavFile([]).subarray(0, 36), 'x.wav'), /it holds no samples/)
    const law = wavFile(samples)
    law[20] = 7
    assert.throws(() => decodeWav(law, 'x.wav'), /it holds 16-bit samples of format 7; PCM and floats can be read/)
  })
})

describe('resample', () => {
  const middle = (values: ArrayLike<number>) => Array.from(values).slice(100, -100)

  it('keeps tones that both rates can hold, in either direction', () => {
    for (const [from, to] of [
      [44100, 16000],
      [16000, 44100],
      [8000, 16000],
      [48000, 44100],
    ] as const) {
      const made = resample(Float32Array.from(tone(440, 0.2, from)), from, to)
      near(middle(made), middle(tone(440, 0.2, to)), 2e-3)
    }
  })

  it('filters out what the lower rate cannot hold, and leaves silence and offsets alone', () => {
    const high = resample(Float32Array.from(tone(12000, 0.2, 44100)), 44100, 16000)
    assert.ok(middle(high).every((value) => Math.abs(value) < 0.01))
    near(middle(resample(new Float32Array(2000).fill(0.3), 3, 2)), middle(new Float32Array(1333).fill(0.3)), 1e-6)
  })
})
