// The graphs and the configuration that a decoder's samples are made with: what lies beside it in its folder.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError, messageOf, RuntimeFailure, UnsupportedError } from '../../base/index.ts'
import { type Dataset, decoderInputs } from '../../data/index.ts'
import { readModelFile } from '../../onnx/index.node.ts'
import type { Model } from '../../onnx/index.ts'
import { openSamples } from '../samples.node.ts'
import { workingForm } from '../working-form.ts'
import { type Beginning, decoderSamples } from './decoder-samples.ts'
import type { GraphFile, Job } from './job.ts'

/** Random samples: enough to see that runtimes agree. */
export const RANDOM = 8

export interface MadeSamples {
  readonly dataset: Dataset
  readonly notes: readonly string[]
}

/**
 * Samples of a decoder that reads an encoder or has a cache; undefined of any other graph, and a sentence where they cannot be made.
 * @throws CancelledError
 */
export async function samplesOfDecoder(
  { recipe, runtimes, graphs, root, watch }: Job,
  { name, file }: GraphFile,
  decoder: Model,
): Promise<MadeSamples | string | undefined> {
  const given = decoderInputs(decoder.graph.inputs)
  // Labels are those of whole texts.
  if (!given || (given.states === undefined && recipe.labels !== undefined)) return undefined
  const goesOn = /_with_past/.test(name)
  const beginner = goesOn ? graphs.find((each) => each.name === name.replace('_with_past', '')) : undefined
  if (goesOn && !beginner)
    return `it goes on from a cache, and there is no ${name.replace('_with_past', '')}.onnx beside it that begins one`
  const open = async (path: string) => workingForm(await readModelFile(path), 'inference').model
  try {
    const starter = beginner ? await open(beginner.file) : decoder
    const { states } = decoderInputs(starter.graph.inputs) ?? {}
    // Random inputs serve a decoder alone as they are.
    if (recipe.data === 'random' && states === undefined) return undefined
    const reader = states === undefined ? undefined : graphs.find((each) => /^(text_)?encoder/.test(each.name))
    if (states !== undefined && !reader)
      return `it reads "${states}", and there is no encoder_model.onnx beside it that makes some`
    const encoder = reader && (await open(reader.file))
    const source = reader && encoder ? { model: encoder, file: reader.file } : { model: starter, file }
    const few = recipe.data === 'random' ? { count: RANDOM } : {}
    const dataset = await openSamples({ ...recipe, model: source.file }, source.model, recipe.data, {
      ...watch,
      ...few,
    })
    const sources = { decoder, starter, ...(encoder ? { encoder } : {}), dataset, ...(await beginningOf(root)) }
    const made = await decoderSamples(runtimes[0], sources, watch)
    const words = recipe.data === 'random' ? 'random inputs' : recipe.data
    const from = reader ? `what ${reader.name} made of ${words}, of the tokens that the float decoder writes` : words
    const cache = given.pasts.length > 0 ? ', and of caches of its own' : ''
    return { dataset: made, notes: [`${name}: its samples are made of ${from}${cache}`] }
  } catch (error) {
    if (error instanceof InputError || error instanceof RuntimeFailure || error instanceof UnsupportedError)
      return messageOf(error)
    throw error
  }
}

/** What the configuration says of the first tokens and the last: of transformers' models, Whisper's languages and tasks included. */
async function beginningOf(root: string): Promise<Beginning> {
  const configs: Record<string, unknown>[] = []
  for (const file of ['generation_config.json', 'config.json']) configs.push(await configIn(join(root, file)))
  const find = (key: string) =>
    configs.map((config) => config[key]).find((value) => value !== undefined && value !== null)
  const numbers = (value: unknown) => [value].flat().filter((each): each is number => typeof each === 'number')
  const [start = 0] = ['decoder_start_token_id', 'bos_token_id', 'pad_token_id'].flatMap((key) => numbers(find(key)))
  const forced = find('forced_decoder_ids')
  const next = Array.isArray(forced) ? forced.flatMap((pair) => numbers(Array.isArray(pair) ? pair[1] : undefined)) : []
  return { starts: [start, ...next], ends: numbers(find('eos_token_id')) }
}

async function configIn(path: string): Promise<Record<string, unknown>> {
  try {
    const config: unknown = JSON.parse(await readFile(path, 'utf8'))
    return typeof config === 'object' && config !== null ? { ...config } : {}
  } catch {
    // What it would say is taken to be as usual.
    return {}
  }
}
