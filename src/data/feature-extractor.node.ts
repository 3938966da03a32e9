// The feature extractor of a Hugging Face folder, as far as the optional package @huggingface/transformers has it.
import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import * as z from 'zod'
import { InputError, isValueType, messageOf, type TensorValue } from '../base/index.ts'
import { readText } from './label-source.node.ts'
import { parseJson } from './labels.ts'

/** Makes the inputs of a model of sound. */
export interface FeatureExtractor {
  readonly file: string
  /** Samples per second that it wants. */
  readonly rate: number
  /** Values by the names that the library gives them, with a batch axis of 1. */
  readonly extract: (samples: Float32Array) => Promise<Record<string, TensorValue>>
}

const CONFIG = 'preprocessor_config.json'
const config = z.looseObject({ feature_extractor_type: z.string(), sampling_rate: z.number().positive() })

type Load = () => Promise<Readonly<Record<string, unknown>>>

const loadPackage: Load = () => import('@huggingface/transformers')

/** The configuration in the folder of a model, or in the one above it. */
export async function processorBeside(modelFile: string): Promise<string | undefined> {
  const folder = dirname(resolve(modelFile))
  for (const each of [folder, dirname(folder)]) if (await isFile(join(each, CONFIG))) return join(each, CONFIG)
  return undefined
}

/**
 * Opens the feature extractor that the preprocessor_config.json of a folder describes.
 * @throws InputError when there is none, it is not for sound, or the package is missing (with the line that installs it)
 */
export async function openFeatureExtractor(path: string, load: Load = loadPackage): Promise<FeatureExtractor> {
  const file = path.endsWith('.json') ? path : join(path, CONFIG)
  if (!(await isFile(file)))
    throw new InputError(`there is no ${CONFIG} in ${path}; --processor takes a Hugging Face folder with one`, {
      file: path,
    })
  const parsed = config.safeParse(parseJson(await readText(file), file))
  if (!parsed.success)
    throw new InputError(
      `cannot use ${file}: it has no "feature_extractor_type" and "sampling_rate", so it is not for sound`,
      { file },
    )
  const { feature_extractor_type: type, sampling_rate: rate } = parsed.data
  const module = await load().catch((error: unknown) => {
    throw new InputError(
      `features of sound are made by the optional package @huggingface/transformers, which cannot be loaded (${messageOf(error).split('\n')[0]}); run "npm install @huggingface/transformers"`,
      {},
      error,
    )
  })
  const [Extractor, Base] = [module[type], module['FeatureExtractor']]
  if (!isClass(Extractor) || !isClass(Base) || !(Extractor.prototype instanceof Base))
    throw new InputError(`cannot use ${file}: @huggingface/transformers has no "${type}" for sound`, { file })
  const extractor: unknown = new Extractor(parsed.data)
  if (typeof extractor !== 'function') throw new InputError(`cannot use ${file}: "${type}" cannot be called`, { file })
  return {
    file,
    rate,
    extract: async (samples) => {
      try {
        return valuesOf(await extractor(samples))
      } catch (error) {
        throw new InputError(`the feature extractor ${file} failed: ${messageOf(error)}`, { file }, error)
      }
    },
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false
}

function isClass(value: unknown): value is new (config: object) => unknown {
  return typeof value === 'function'
}

/** The tensors among what an extractor gives. */
function valuesOf(made: unknown): Record<string, TensorValue> {
  const values: Record<string, TensorValue> = {}
  for (const [name, value] of Object.entries(made ?? {})) {
    const { type, dims, data } = (value ?? {}) as { type?: unknown; dims?: unknown; data?: unknown }
    if (typeof type === 'string' && isValueType(type) && Array.isArray(dims) && ArrayBuffer.isView(data))
      values[name] = { dtype: type, dims, data: data as TensorValue['data'] }
  }
  return values
}
