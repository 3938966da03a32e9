// RIFF/WAVE: whole numbers of 8 to 32 bits or floats, any number of channels, mixed to one.
import { InputError } from '../base/index.ts'

/** One channel of sound. */
export interface Sound {
  /** Samples per second. */
  readonly rate: number
  /** From -1 to 1. */
  readonly samples: Float32Array
}

const FLOAT = 3
const EXTENSIBLE = 0xfffe

/**
 * Decodes a WAV file: PCM of 8, 16, 24 or 32 bits, or float32 and float64. The mean of all channels is taken.
 * @throws InputError when it is something else
 */
export function decodeWav(bytes: Uint8Array, file: string): Sound {
  const fail = (what: string) => new InputError(`cannot read the sound ${file}: ${what}`, { file })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4))
  if (bytes.length < 12 || text(0) !== 'RIFF' || text(8) !== 'WAVE') throw fail('it is not a WAV file')
  let format: { tag: number; channels: number; rate: number; bits: number } | undefined
  for (let at = 12; at + 8 <= bytes.length; ) {
    const [name, size] = [text(at), view.getUint32(at + 4, true)]
    const start = at + 8
    if (name === 'fmt ' && start + 16 <= bytes.length) {
      const tag = view.getUint16(start, true)
      format = {
        // An extensible header holds the real format in the first bytes of its identifier.
        tag: tag === EXTENSIBLE && size >= 26 ? view.getUint16(start + 24, true) : tag,
        channels: view.getUint16(start + 2, true),
        rate: view.getUint32(start + 4, true),
        bits: view.getUint16(start + 14, true),
      }
    }
    if (name === 'data') {
      if (!format || format.channels === 0 || format.rate === 0) throw fail('its header says no format')
      const read = readerOf(view, format)
      if (!read) throw fail(`it holds ${format.bits}-bit samples of format ${format.tag}; PCM and floats can be read`)
      // Streams write a size that they do not know yet.
      const length = Math.min(size, bytes.length - start)
      return { rate: format.rate, samples: mixed(read, format, start, length) }
    }
    at = start + size + (size % 2)
  }
  throw fail('it holds no samples')
}

type Read = (at: number) => number

function readerOf(view: DataView, { tag, bits }: { readonly tag: number; readonly bits: number }): Read | undefined {
  if (tag === FLOAT) {
    if (bits === 32) return (at) => view.getFloat32(at, true)
    return bits === 64 ? (at) => view.getFloat64(at, true) : undefined
  }
  if (tag !== 1) return undefined
  switch (bits) {
    case 8:
      return (at) => (view.getUint8(at) - 128) / 2 ** 7
    case 16:
      return (at) => view.getInt16(at, true) / 2 ** 15
    case 24:
      return (at) => (view.getUint16(at, true) + 2 ** 16 * view.getInt8(at + 2)) / 2 ** 23
    case 32:
      return (at) => view.getInt32(at, true) / 2 ** 31
    default:
      return undefined
  }
}

/** The mean of all channels. */
function mixed(
  read: Read,
  { bits, channels }: { readonly bits: number; readonly channels: number },
  start: number,
  length: number,
): Float32Array {
  const width = bits / 8
  const frame = width * channels
  const samples = new Float32Array(Math.floor(length / frame))
  for (let index = 0; index < samples.length; index++) {
    let sum = 0
    for (let channel = 0; channel < channels; channel++) sum += read(start + index * frame + channel * width)
    samples[index] = sum / channels
  }
  return samples
}
