// Sentences as samples: read from a file, tokenised when they are asked for, one a sample.
import { basename, dirname, extname } from 'node:path'
import { InputError, type TensorValue } from '../../base/index.ts'
import type { InputSpec, Label } from '../dataset.ts'
import type { TextDescription } from '../description.ts'
import { readText } from '../label-source.node.ts'
import type { Source, SourceSample } from '../source.ts'
import { type TextFormat, type TextRow, textRows } from '../text-rows.ts'
import { type TokenInputs, type Tokens, tokenInputs, tokenValues } from '../token-inputs.ts'
import { openTokenizer, type SentenceTokenizer, tokenizerBeside } from '../tokenizer.node.ts'

export interface TextOptions {
  readonly inputs: readonly InputSpec[]
  /** Folder with a tokenizer.json, or the file; beside the model if not given. */
  readonly tokenizer?: string | undefined
  /** The model's file, beside which a tokenizer is looked for. */
  readonly modelFile?: string | undefined
  /** Tokens that the inputs can name. */
  readonly vocabularies?: Readonly<Record<string, number>> | undefined
  /** Pads all sentences to the longest one. */
  readonly equalLengths?: boolean | undefined
}

/** Is this the name of a file of sentences? */
export function isTextName(name: string): boolean {
  return formatOf(name) !== undefined
}

function formatOf(name: string): TextFormat | undefined {
  return (['txt', 'csv', 'jsonl'] as const).find((format) => extname(name).toLowerCase() === `.${format}`)
}

/**
 * The sentences of a `.txt`, `.csv` or `.jsonl`, a sample each: token numbers, mask, segments and positions, as many as there are
 * tokens, or as the model is fixed to.
 * @throws InputError when there are no sentences or no tokenizer, or the model has no input for tokens
 */
export async function openText(
  { file, column, tokenizer }: Pick<TextDescription, 'file' | 'column' | 'tokenizer'>,
  options: TextOptions,
): Promise<Source> {
  const format = formatOf(file)
  if (!format)
    throw new InputError(`cannot tell how sentences stand in ${file}; expected a .txt, .csv or .jsonl`, { file })
  const { rows, notes: read } = textRows(await readText(file), format, file, column)
  const roles = tokenInputs(options.inputs, file)
  const found = await tokenizerFor(file, options.tokenizer ?? tokenizer, options.modelFile)
  const { labels, ...facts } = labelsOf(rows, found.tokenizer.classes)
  const encoder = new Encoder({ rows, file, roles, tokenizer: found.tokenizer }, options)
  if (options.equalLengths) encoder.equalize()
  const name = basename(file)
  return {
    name,
    size: rows.length,
    fed: new Set([roles.tokens, roles.mask, roles.types, roles.positions].flatMap((input) => input?.name ?? [])),
    hasLabels: labels !== undefined,
    ...facts,
    notes: () => [...read, ...found.notes, ...encoder.notes()],
    id: (index) => `${name}#${index}`,
    read: async (index): Promise<SourceSample> => {
      const label = labels?.[index]
      return { values: encoder.values(index), ...(label !== undefined && { label }) }
    },
  }
}

async function tokenizerFor(
  file: string,
  given: string | undefined,
  modelFile: string | undefined,
): Promise<{ readonly tokenizer: SentenceTokenizer; readonly notes: readonly string[] }> {
  if (given !== undefined) return { tokenizer: await openTokenizer(given), notes: [] }
  const found = modelFile === undefined ? undefined : await tokenizerBeside(modelFile)
  if (found === undefined)
    throw new InputError(
      `${file} holds sentences, and there is no tokenizer.json${modelFile === undefined ? '' : ` in ${dirname(modelFile)} or the folder above it`}; give --tokenizer with a folder that has one`,
      { file },
    )
  return { tokenizer: await openTokenizer(found), notes: [`the sentences are tokenised by ${found}`] }
}

interface TextLabels {
  readonly labels?: readonly Label[]
  readonly classes?: number
  readonly classNames?: readonly string[]
}

/** Labels as class numbers: names get those that the model's configuration gives them, or else their place in sorted order. */
function labelsOf(rows: readonly TextRow[], known: ReadonlyMap<string, number>): TextLabels {
  const given = rows.flatMap(({ label }) => (label === undefined ? [] : [label]))
  if (given.length === 0) return {}
  if (!given.some((label) => typeof label === 'string')) return { labels: given as readonly Label[] }
  const names = [...new Set(given.map(String))].sort()
  const numbers = names.every((name) => known.has(name)) ? known : new Map(names.map((name, at) => [name, at]))
  const classNames: string[] = []
  for (const [name, number] of numbers) classNames[number] = name
  return { labels: given.map((label) => numbers.get(String(label)) ?? -1), classes: classNames.length, classNames }
}

/** Sentences of a file, what tokenises them, and the inputs that they go to. */
interface Sentences {
  readonly rows: readonly TextRow[]
  readonly file: string
  readonly roles: TokenInputs
  readonly tokenizer: SentenceTokenizer
}

/** Tokenises sentences, and keeps count of what had to be cut. */
class Encoder {
  readonly #rows: readonly TextRow[]
  readonly #file: string
  readonly #roles: TokenInputs
  readonly #tokenizer: SentenceTokenizer
  readonly #most: number
  readonly #vocabulary: number
  readonly #padId: number
  #length: number | undefined
  readonly #cut = new Set<number>()

  constructor({ rows, file, roles, tokenizer }: Sentences, { vocabularies = {} }: TextOptions) {
    this.#rows = rows
    this.#file = file
    this.#roles = roles
    this.#tokenizer = tokenizer
    this.#length = roles.length
    this.#most = Math.min(tokenizer.maxLength, roles.length ?? Number.POSITIVE_INFINITY)
    this.#vocabulary = vocabularies[roles.tokens.name] ?? Number.POSITIVE_INFINITY
    this.#padId = tokenizer.padId < this.#vocabulary ? tokenizer.padId : 0
  }

  /** From here on all sentences have the length of the longest one. */
  equalize(): void {
    this.#length ??= this.#rows.reduce((most, _, index) => Math.max(most, this.#tokens(index).ids.length), 0)
  }

  values(index: number): Record<string, TensorValue> {
    const { padsLeft } = this.#tokenizer
    return tokenValues(this.#roles, this.#tokens(index), { padId: this.#padId, padsLeft, length: this.#length })
  }

  #tokens(index: number): Tokens {
    const { text, where } = this.#rows[index] ?? { text: '', where: '' }
    const tokens = this.#tokenizer.encode(text, this.#most)
    if (tokens.cut) this.#cut.add(index)
    if (tokens.ids.length === 0)
      throw new InputError(`the tokenizer makes no tokens of ${where} of ${this.#file}`, { file: this.#file })
    const beyond = tokens.ids.find((id) => !(id < this.#vocabulary))
    if (beyond !== undefined)
      throw new InputError(
        `the tokenizer ${this.#tokenizer.file} gives the token ${beyond} for ${where} of ${this.#file}, and the model's table for "${this.#roles.tokens.name}" has ${this.#vocabulary} rows; is it the model's tokenizer?`,
        { file: this.#file },
      )
    return tokens
  }

  notes(): string[] {
    const { size } = this.#cut
    const notes =
      size === 0 ? [] : [`${size === 1 ? 'one sentence was' : `${size} sentences were`} cut to ${this.#most} tokens`]
    if (this.#length !== undefined && !this.#roles.mask)
      notes.push(`sentences are padded to ${this.#length} tokens, and the model has no mask that says so`)
    return notes
  }
}
