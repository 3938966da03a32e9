// WAV files of every kind that can be read.

export interface WavOptions {
  readonly rate?: number
  readonly channels?: number
  readonly bits?: 8 | 16 | 24 | 32
  readonly float?: boolean
}

/** Samples from -1 to 1, channels interleaved, as a WAV file. */
export function wavFile(samples: readonly number[], options: WavOptions = {}): Uint8Array {
  const { rate = 16000, channels = 1, bits = 16, float = false } = options
  const width = bits / 8
  const bytes = new Uint8Array(44 + samples.length * width)
  const view = new DataView(bytes.buffer)
  const text = (at: number, word: string) => bytes.set(new TextEncoder().encode(word), at)
  text(0, 'RIFF')
  view.setUint32(4, bytes.length - 8, true)
  text(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, float ? 3 : 1, true)
  view.setUint16(22, channels, true)
  view.setUint32(24, rate, true)
  view.setUint32(28, rate * channels * width, true)
  view.setUint16(32, channels * width, true)
  view.setUint16(34, bits, true)
  text(36, 'data')
  view.setUint32(40, samples.length * width, true)
  for (const [index, sample] of samples.entries()) {
    const at = 44 + index * width
    const whole = Math.round(Math.max(-1, Math.min(sample, 1 - 2 ** (1 - bits))) * 2 ** (bits - 1))
    if (float) view.setFloat32(at, sample, true)
    else if (bits === 8) view.setUint8(at, whole + 128)
    else if (bits === 16) view.setInt16(at, whole, true)
    else if (bits === 32) view.setInt32(at, whole, true)
    else {
      view.setUint16(at, whole & 0xffff, true)
      view.setInt8(at + 2, whole >> 16)
    }
  }
  return bytes
}

/** A tone of so many Hz. */
export function tone(hertz: number, seconds: number, rate = 16000): number[] {
  return Array.from({ length: Math.round(seconds * rate) }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hertz * i) / rate))
}
