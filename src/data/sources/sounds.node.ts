// Sounds as samples: .wav files, mixed to one channel, at the rate that the model wants, as features or as they are.
import { readFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { InputError, makeArray, setElement, type TensorValue } from '../../base/index.ts'
import type { InputSpec } from '../dataset.ts'
import { type FeatureExtractor, openFeatureExtractor, processorBeside } from '../feature-extractor.node.ts'
import { constantValue } from '../fill-inputs.ts'
import { fittingDims, fittingFor, inputFor } from '../fit-value.ts'
import { isRate, isScalar } from '../plausible.ts'
import { resample } from '../resample.ts'
import type { Source } from '../source.ts'
import { decodeWav, type Sound } from '../wav.ts'

export interface SoundOptions {
  readonly inputs: readonly InputSpec[]
  /** Folder with a preprocessor_config.json; beside the model if not given. */
  readonly processor?: string | undefined
  readonly modelFile?: string | undefined
}

interface Place {
  /** The file, for messages. */
  readonly where: string
  /** What was assumed so far. */
  readonly notes: Set<string>
}

/** Is this the name of a sound that can be decoded? */
export function isSoundName(name: string): boolean {
  return extname(name).toLowerCase() === '.wav'
}

/**
 * Sounds of a folder. A feature extractor makes the inputs that have its names; without one the waveform goes to the input that it
 * fits, cut or filled with silence where that has a fixed length. All are brought to one rate: the extractor's, or the first file's.
 * @param files their names in the folder, in order
 */
export async function openSounds(folder: string, files: readonly string[], options: SoundOptions): Promise<Source> {
  const { inputs } = options
  const found = options.modelFile === undefined ? undefined : await processorBeside(options.modelFile)
  const given = options.processor ?? found
  const extractor = given === undefined ? undefined : await openFeatureExtractor(given)
  const notes = new Set<string>()
  const soundOf = async (index: number): Promise<Sound> => {
    const path = join(folder, files[index] ?? '')
    const bytes = await readFile(path).catch((error: unknown) => {
      throw new InputError(`cannot read ${path}: it is missing, or not readable`, { file: path }, error)
    })
    return decodeWav(bytes, path)
  }
  const first = await soundOf(0)
  const rate = extractor?.rate ?? first.rate
  if (extractor) notes.add(`features are made by ${extractor.file}`)
  else notes.add(`the waveform is fed as it is, at ${rate} Hz; --processor names the folder of a feature extractor`)
  const valuesOf = async (index: number) => {
    const sound = index === 0 ? first : await soundOf(index)
    if (sound.rate !== rate) notes.add(`sounds at ${sound.rate} Hz are resampled to ${rate} Hz`)
    const samples = resample(sound.samples, sound.rate, rate)
    const place = { where: join(folder, files[index] ?? ''), notes }
    const values = extractor ? await featuresOf(extractor, samples, inputs, place) : waveformOf(samples, inputs, place)
    for (const input of inputs)
      if (isScalar(input) && isRate(input))
        values[input.name] = constantValue(input, input.shape?.map(() => 1) ?? [], rate)
    return values
  }
  return {
    name: basename(folder),
    size: files.length,
    fed: new Set(Object.keys(await valuesOf(0))),
    hasLabels: false,
    notes: () => [...notes],
    id: (index) => files[index] ?? '',
    read: async (index) => ({ values: await valuesOf(index) }),
  }
}

/** What an extractor makes, for the inputs of the same names; a single value without an input of its name goes where it fits. */
async function featuresOf(
  extractor: FeatureExtractor,
  samples: Float32Array,
  inputs: readonly InputSpec[],
  place: Place,
): Promise<Record<string, TensorValue>> {
  const made = Object.entries(await extractor.extract(samples))
  const named = made.filter(([name]) => inputs.some((input) => input.name === name))
  const used = named.length > 0 ? named : made.slice(0, 1)
  return Object.fromEntries(
    used.map(([name, { dtype, dims, data }]) => {
      const value = { dtype, dims: dims.slice(1), data }
      const input = inputs.find((each) => each.name === name) ?? inputOf(value, inputs, place)
      // A normalised waveform and its mask are as long as the sound.
      const fitted = value.dims.length === 1 ? atLength(value, input, place) : value
      return [input.name, fittingFor(input, fitted, undefined, place.where).apply(fitted)]
    }),
  )
}

function waveformOf(samples: Float32Array, inputs: readonly InputSpec[], place: Place): Record<string, TensorValue> {
  const value: TensorValue = { dtype: 'float32', dims: [samples.length], data: samples }
  const input = inputOf(value, inputs, place)
  const fitted = atLength(value, input, place)
  return { [input.name]: fittingFor(input, fitted, undefined, place.where).apply(fitted) }
}

/** The input that takes a value: as it is, or a waveform cut to a fixed length. */
function inputOf(value: TensorValue, inputs: readonly InputSpec[], { where }: Place): InputSpec {
  const open = inputs.find((input) => !isScalar(input) && fittingDims(input.shape, value.dims))
  const fixed = inputs.find((input) => /^float/.test(input.dtype ?? '') && fixedLength(input) !== undefined)
  return (value.dims.length === 1 ? (open ?? fixed) : undefined) ?? inputFor(inputs, value, where)
}

/** The length of an input with one long axis, besides the batch and axes of size 1, where that is fixed. */
function fixedLength({ shape }: InputSpec): number | undefined {
  const [length, ...others] = (shape ?? []).slice(shape?.length === 1 ? 0 : 1).filter((dim) => dim !== 1)
  return others.length === 0 && typeof length === 'number' ? length : undefined
}

function atLength(value: TensorValue, input: InputSpec, { notes }: Place): TensorValue {
  const length = fixedLength(input)
  if (length === undefined || length === value.data.length) return value
  notes.add(`sounds are cut to ${length} samples, or filled with silence`)
  const data = makeArray(value.dtype, length)
  for (let at = 0; at < Math.min(length, value.data.length); at++) setElement(data, at, Number(value.data[at]))
  return { dtype: value.dtype, dims: [length], data }
}
