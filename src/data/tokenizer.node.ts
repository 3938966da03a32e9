// The tokenizer of a Hugging Face folder, run by the optional package @huggingface/tokenizers, which is loaded when it is needed.
import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Tokenizer } from '@huggingface/tokenizers'
import * as z from 'zod'
import { InputError, messageOf } from '../base/index.ts'
import { readText } from './label-source.node.ts'
import { parseJson } from './labels.ts'
import { cutTokens, type Tokens } from './token-inputs.ts'

/** Makes token numbers of sentences. */
export interface SentenceTokenizer {
  /** The tokenizer.json that it was read from. */
  readonly file: string
  /** The token that stands where there is none. */
  readonly padId: number
  readonly padsLeft: boolean
  /** Tokens of a sentence at most; infinite where nothing says so. */
  readonly maxLength: number
  /** Name of a class → its number, from config.json. */
  readonly classes: ReadonlyMap<string, number>
  /** The tokens of a sentence with those that belong around it; what is beyond `most` is cut off. */
  readonly encode: (text: string, most: number) => Tokens
}

type Load = () => Promise<typeof import('@huggingface/tokenizers')>

const loadPackage: Load = () => import('@huggingface/tokenizers')

/**
 * Opens a tokenizer.json, or the one in a folder, with the tokenizer_config.json and config.json beside it, where they are.
 * @throws InputError when there is none, it is not one, or the package that runs it is missing (with the line that installs it)
 */
export async function openTokenizer(path: string, load: Load = loadPackage): Promise<SentenceTokenizer> {
  const file = await tokenizerFile(path)
  const json = tokenizerJson.safeParse(parseJson(await readText(file), file))
  if (!json.success) throw new InputError(`cannot use the tokenizer ${file}: it has no "model"`, { file })
  const folder = dirname(file)
  const beside = async (name: string) => {
    const at = join(folder, name)
    return (await isFile(at)) ? parseJson(await readText(at), at) : {}
  }
  const config = tokenizerConfig.parse(await beside('tokenizer_config.json'))
  const model = modelConfig.parse(await beside('config.json'))
  const tokenizer = await create(json.data, config, file, load)
  const { padding, truncation } = json.data
  const limits = [config.model_max_length, truncation?.max_length, model.max_position_embeddings, model.n_positions]
  return {
    file,
    padId: padding?.pad_id ?? padOf(tokenizer, config.pad_token) ?? model.pad_token_id ?? 0,
    padsLeft: (config.padding_side ?? padding?.direction?.toLowerCase()) === 'left',
    maxLength: Math.min(...limits.map((limit) => (limit !== undefined && limit < ENDLESS ? limit : Infinity))),
    classes: new Map(Object.entries(model.label2id ?? {})),
    encode: (text, most) => encode(tokenizer, text, most, file),
  }
}

/** The tokenizer.json in the folder of a model, or in the one above it: Hugging Face folders keep models in `onnx/`. */
export async function tokenizerBeside(modelFile: string): Promise<string | undefined> {
  const folder = dirname(resolve(modelFile))
  for (const each of [folder, dirname(folder)]) {
    const file = join(each, 'tokenizer.json')
    if (await isFile(file)) return file
  }
  return undefined
}

/** Configurations say "no limit" by a number such as 1e30. */
const ENDLESS = 1e6

// What is missing or odd in these files only takes a default away.
const size = z.number().positive().optional().catch(undefined)
const tokenizerJson = z.looseObject({
  model: z.looseObject({}),
  added_tokens: z
    .array(z.looseObject({}))
    .nullish()
    .transform((tokens) => tokens ?? []),
  padding: z.looseObject({ pad_id: z.int().optional(), direction: z.string().optional() }).optional().catch(undefined),
  truncation: z.looseObject({ max_length: size }).optional().catch(undefined),
})
const tokenizerConfig = z.looseObject({
  model_max_length: size,
  pad_token: z
    .union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)])
    .optional()
    .catch(undefined),
  padding_side: z.string().optional().catch(undefined),
})
const modelConfig = z.looseObject({
  max_position_embeddings: size,
  n_positions: size,
  pad_token_id: z.int().optional().catch(undefined),
  label2id: z.record(z.string(), z.int()).optional().catch(undefined),
})

async function tokenizerFile(path: string): Promise<string> {
  const info = await stat(path).catch(() => undefined)
  if (!info) throw new InputError(`there is no tokenizer at ${path}: no such file or folder`, { file: path })
  if (!info.isDirectory()) return path
  const file = join(path, 'tokenizer.json')
  if (await isFile(file)) return file
  throw new InputError(
    `the folder ${path} has no tokenizer.json; --tokenizer takes a Hugging Face folder with one, or the file itself`,
    { file: path },
  )
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false
}

async function create(json: object, config: object, file: string, load: Load): Promise<Tokenizer> {
  const { Tokenizer } = await load().catch((error: unknown) => {
    throw new InputError(
      `sentences are tokenised by the optional package @huggingface/tokenizers, which cannot be loaded (${messageOf(error).split('\n')[0]}); run "npm install @huggingface/tokenizers"`,
      {},
      error,
    )
  })
  try {
    return new Tokenizer(json, config)
  } catch (error) {
    throw new InputError(`cannot use the tokenizer ${file}: ${messageOf(error).split('\n')[0]}`, { file }, error)
  }
}

function padOf(tokenizer: Tokenizer, given: string | undefined): number | undefined {
  return [given, '[PAD]', '<pad>'].flatMap((token) =>
    token === undefined ? [] : (tokenizer.token_to_id(token) ?? []),
  )[0]
}

function encode(tokenizer: Tokenizer, text: string, most: number, file: string): Tokens {
  try {
    const { ids, token_type_ids: types = [] } = tokenizer.encode(text, { return_token_type_ids: true })
    const full = { ids, types }
    if (ids.length <= most) return { ...full, cut: false }
    return cutTokens(full, tokenizer.encode(text, { add_special_tokens: false }).ids, most)
  } catch (error) {
    throw new InputError(`the tokenizer ${file} failed on "${text.slice(0, 40)}": ${messageOf(error)}`, { file }, error)
  }
}
