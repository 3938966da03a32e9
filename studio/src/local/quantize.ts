// A quantisation with what a page has: models and pictures as dropped, no disk, and a runtime that is not the one of the result.
import { InputError, UnsupportedError, type Watch } from '../../../src/base/index.ts'
import {
  chooseSamples,
  type Dataset,
  datasetOf,
  findPreset,
  openRandom,
  type Preprocess,
  parsePreprocess,
  picturesSource,
} from '../../../src/data/index.ts'
import { type Model, readModel, writeModel } from '../../../src/onnx/index.ts'
import {
  boundsOfPictures,
  calibrationSamples,
  comparedConstants,
  givenPreprocess,
  parseStatistics,
  type QuantizeOutcome,
  type QuantizeRecipe,
  quantizeModel,
  type StoredStatistics,
  storedShapes,
  unusedSamples,
} from '../../../src/pipeline/index.ts'
import { targetOf } from '../../../src/quantize/index.ts'
import type { Runtime } from '../../../src/runtime/index.ts'
import { decode } from './decode.ts'
import type { Files } from './files.ts'

/** What the page's place for results is called in messages and reports. */
const OUTPUT = 'model.int8.onnx'

/** Fields of a recipe that this page cannot honour. */
export const beyondThisPage = ['labels', 'metric', 'exif', 'encodings', 'encodingsFrom', 'output'] as const

/** A model with the data files that were dropped beside it. @throws InputError when it is not a model, or a file is missing */
export async function openModel(files: Files, path: string): Promise<Model> {
  const { file, path: found } = files.get(path)
  const beside = new Map<string, Uint8Array>()
  for (const [name, other] of files.beside(found))
    if (other !== file && /\.(data|bin|weights?)$/i.test(name))
      beside.set(name, new Uint8Array(await other.arrayBuffer()))
  return readModel(new Uint8Array(await file.arrayBuffer()), {
    file: file.name,
    external: ({ location, offset, length }, tensor, expected) => {
      const bytes = beside.get(location)
      if (!bytes)
        throw new InputError(
          `cannot read ${file.name}: the weights of "${tensor}" lie in ${location}; drop that file together with the model`,
          { file: file.name, tensor },
        )
      const size = length ?? expected ?? bytes.length - offset
      if (offset + size > bytes.length)
        throw new InputError(`cannot read ${file.name}: ${location} ends before the weights of "${tensor}" do`)
      return bytes.subarray(offset, offset + size)
    },
  })
}

/** The model, and everything that is known of it. */
export interface LocalResult {
  readonly run: QuantizeOutcome
  readonly bytes: Uint8Array
}

/** @throws InputError, UnsupportedError, UsageError, RefusedError, CancelledError */
export async function quantizeHere(
  runtime: Runtime,
  files: Files,
  recipe: QuantizeRecipe,
  watch: Watch,
): Promise<LocalResult> {
  const strange = beyondThisPage.find(
    (name) => name !== 'output' && recipe[name] !== undefined && recipe[name] !== false,
  )
  if (strange) throw new UnsupportedError(`this page has no ${strange}: the command line does that`)
  const stored = await statisticsOf(files, recipe)
  const original = await openModel(files, recipe.model)
  const preprocess = await preprocessOf(files, recipe, original)
  const dataset = openSamples(files, recipe, original, { data: recipe.data, preprocess, stored })
  let bytes = new Uint8Array()
  const run = await quantizeModel(runtime, {
    recipe,
    output: OUTPUT,
    material: {
      original,
      samples: calibrationSamples(recipe, dataset, watch),
      inputs: boundsOfPictures(preprocess, original),
      stored,
    },
    host: {
      scoring: async (used, limit) => {
        if (recipe.val === undefined) return unusedSamples(dataset, used, limit)
        const others = openSamples(files, recipe, original, { data: recipe.val, preprocess })
        const indices = chooseSamples(others.size, Math.min(limit, others.size))
        return { dataset: others, indices, note: `scored on ${indices.length} samples of ${others.name}` }
      },
      // The page times what is made for it; of anything else its times say nothing.
      ...(targetOf(recipe.target).runtime === runtime.name ? { clock: { runtime } } : {}),
      write: async (made, written) => {
        bytes = new Uint8Array(written ?? writeModel(made))
        return bytes.length
      },
    },
    watch,
  })
  return { run, bytes }
}

/** Which samples, how pictures become inputs, and what is known of samples that were seen before. */
interface Wanted {
  readonly data: string
  readonly preprocess: Preprocess | undefined
  readonly stored?: StoredStatistics | undefined
}

function openSamples(
  files: Files,
  { seed, shape }: QuantizeRecipe,
  model: Model,
  { data, preprocess, stored }: Wanted,
): Dataset {
  const { inputs } = model.graph
  const shapes = { ...(stored ? storedShapes(stored, model, 'the model') : {}), ...shape }
  const options = { inputs, shapes, seed, preprocess }
  if (data === 'random' || data === 'none')
    return datasetOf(
      openRandom({ ...options, constants: comparedConstants(model), ...(data === 'none' ? { count: 1 } : {}) }),
      options,
    )
  const { name, files: pictures } = files.pictures(data)
  const source = picturesSource(
    {
      name,
      files: [...pictures.keys()],
      decode: async (id) => {
        const file = pictures.get(id)
        if (!file) throw new InputError(`there is no picture ${id} on this page`)
        return decode(file)
      },
      notes: ['EXIF orientation was ignored, as the command line does unless it is told otherwise'],
    },
    options,
  )
  return datasetOf(source, options)
}

async function preprocessOf(
  files: Files,
  { preprocess }: QuantizeRecipe,
  model: Model,
): Promise<Preprocess | undefined> {
  if (typeof preprocess !== 'string') return givenPreprocess(preprocess, model)
  if (!/\.json$/i.test(preprocess)) return findPreset(preprocess)
  return parsePreprocess(await jsonOf(files, preprocess), preprocess)
}

async function statisticsOf(files: Files, { statistics, data }: QuantizeRecipe): Promise<StoredStatistics | undefined> {
  if (statistics === undefined) return undefined
  if (data !== 'none')
    throw new InputError(`stored statistics take the place of samples, and ${data} names some: leave the data out`)
  return typeof statistics === 'string'
    ? parseStatistics(await jsonOf(files, statistics), statistics)
    : parseStatistics(statistics, 'the recipe')
}

async function jsonOf(files: Files, path: string): Promise<unknown> {
  const { file } = files.get(path)
  try {
    return JSON.parse(await file.text())
  } catch {
    throw new InputError(`cannot read ${file.name}: it is not a JSON file`, { file: file.name })
  }
}
