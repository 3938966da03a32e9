// The one entry point to samples: what lies at a path decides how it is read.
import { stat } from 'node:fs/promises'
import { basename, dirname, extname, resolve } from 'node:path'
import { InputError } from '../base/index.ts'
import { openBytes } from './byte-source.node.ts'
import type { Dataset, InputSpec } from './dataset.ts'
import { datasetOf } from './dataset-of.ts'
import { type Description, type LabelSource, parseDescription, type RawDescription } from './description.ts'
import { isIdx } from './idx.ts'
import { checkTensors } from './input-shape.ts'
import { labelFile, labelSource, readText } from './label-source.node.ts'
import { parseJson } from './labels.ts'
import { isNpy } from './npy.ts'
import { type Preprocess, parsePreprocess } from './preprocess.ts'
import { findPreset } from './presets.ts'
import { type Source, withRows } from './source.ts'
import { openArraySource, openRawSource, openRecords } from './sources/blocks.node.ts'
import { filesIn, withClasses } from './sources/class-folders.node.ts'
import { isPictureName, openFolder, openImages, openPicture } from './sources/images.node.ts'
import { openModule } from './sources/module.node.ts'
import { openRandom } from './sources/random.ts'
import { isSoundName, openSounds } from './sources/sounds.node.ts'
import { isTextName, openText } from './sources/text.node.ts'

export interface OpenOptions {
  /** The model's inputs, as declared. */
  readonly inputs: readonly InputSpec[]
  readonly preprocess?: Preprocess | undefined
  /** A file with labels, instead of those of the data set. */
  readonly labels?: string | undefined
  /** For `random`; 0 if not given. */
  readonly seed?: number | undefined
  /** Turn pictures as their EXIF orientation says. */
  readonly exif?: boolean | undefined
  /** Dims, batch axis included, of inputs with dynamic ones. */
  readonly shapes?: Readonly<Record<string, readonly number[]>> | undefined
  /** Number of `random` samples, 64 if not given. */
  readonly count?: number | undefined
  /** For `random`: inputs that are not drawn but hold one number everywhere. */
  readonly constants?: Readonly<Record<string, number>> | undefined
  /** For `random`: integer inputs that pick rows of a table → how many it has. */
  readonly vocabularies?: Readonly<Record<string, number>> | undefined
  /** For sentences: a folder with a tokenizer.json, or the file; looked for beside the model if not given. */
  readonly tokenizer?: string | undefined
  /** For sounds: a folder with a preprocessor_config.json; looked for beside the model if not given. */
  readonly processor?: string | undefined
  /** The file of the model that the samples are for. */
  readonly modelFile?: string | undefined
  /** For sentences: all are padded to the longest one. */
  readonly equalLengths?: boolean | undefined
  /** Ends the opening of a module that never comes to an end. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Opens samples for a model: a folder of pictures, of sounds, or of class folders; a picture, a `.wav`; sentences (`.txt`, `.csv`,
 * `.jsonl`); a JSON description (`images`, `raw`, `records`, `idx`, `npy`, `text`), a `.npy` or idx file; a `.js`/`.mjs` module; or
 * `random`. Nothing but names, headers, labels and sentences is read before a sample is asked for, and one sound.
 * @throws InputError in one sentence when something is missing, malformed, or does not fit the model's inputs
 */
export async function openDataset(path: string, options: OpenOptions): Promise<Dataset> {
  checkTensors(options.inputs)
  const source = await openSource(path, options)
  const labelled = options.labels === undefined ? source : await labelFile(source, options.labels)
  return datasetOf(labelled, options)
}

/** Preprocessing by preset name or from a `.json` file. @throws UsageError for an unknown preset, InputError for bad JSON */
export async function readPreprocess(nameOrFile: string): Promise<Preprocess> {
  if (!nameOrFile.toLowerCase().endsWith('.json')) return findPreset(nameOrFile)
  return parsePreprocess(parseJson(await readText(nameOrFile), nameOrFile), nameOrFile)
}

async function openSource(path: string, options: OpenOptions): Promise<Source> {
  if (path === 'random') return openRandom(options)
  const info = await stat(path).catch(() => undefined)
  if (!info) throw new InputError(`there are no samples at ${path}: no such file or folder`, { file: path })
  if (info.isDirectory()) return (await soundsIn(path, options)) ?? openFolder(path, options)
  const kind = extname(path).toLowerCase()
  if (kind === '.json') return openDescription(path, options)
  if (kind === '.js' || kind === '.mjs' || kind === '.cjs') return openModule(path, options)
  if (isPictureName(path)) return openPicture(path, options)
  if (isSoundName(path)) return openSounds(dirname(path), [basename(path)], options)
  if (isTextName(path)) return openText({ file: path }, options)
  const head = await (await openBytes(path)).read(0, 16)
  if (isNpy(head)) return openArraySource(path, 'npy', undefined, options)
  if (isIdx(head)) return openArraySource(path, 'idx', undefined, options)
  throw new InputError(
    `cannot tell what samples ${path} holds; expected a folder, a picture, a .wav, .npy, idx, sentences (.txt, .csv, .jsonl), .js, .mjs, or a .json that describes it`,
    { file: path },
  )
}

/** The sounds of a folder that holds some, and no pictures. */
async function soundsIn(folder: string, options: OpenOptions): Promise<Source | undefined> {
  if ((await filesIn(folder, isPictureName)).files.length > 0) return undefined
  const { files, classes } = await filesIn(folder, isSoundName)
  if (files.length === 0) return undefined
  const source = await openSounds(folder, files, options)
  return classes ? withClasses({ ...source, notes: () => [classes.note, ...source.notes()] }, classes) : source
}

async function openDescription(path: string, options: OpenOptions): Promise<Source> {
  const description = parseDescription(parseJson(await readText(path), path), path)
  const folder = dirname(path)
  const inFolder = (file: string) => resolve(folder, file)
  const all = await openDescribed(path, description, inFolder, options)
  const { labels, rows, classes, classNames } = description
  const facts = { ...(classes !== undefined && { classes }), ...(classNames && { classNames }) }
  const labelled =
    labels === undefined || options.labels !== undefined
      ? { ...all, ...facts }
      : await labelSource(all, resolved(labels, inFolder), facts)
  if (!rows) return labelled
  if (rows[1] > all.size)
    throw new InputError(`${path} asks for rows ${rows[0]} to ${rows[1]}, there are ${all.size}`, { file: path })
  return withRows(labelled, rows)
}

function openDescribed(
  path: string,
  description: Description,
  inFolder: (file: string) => string,
  options: OpenOptions,
): Promise<Source> {
  const name = basename(path)
  switch (description.format) {
    case 'images':
      return openImages(dirname(path), name, description, options)
    case 'raw':
      return openRawSource(name, resolvedRaw(description, inFolder), options)
    case 'records':
      return openRecords(name, { ...description, file: inFolder(description.file) }, options)
    case 'text': {
      const { file, column, tokenizer } = description
      const paths = { file: inFolder(file), ...(tokenizer !== undefined && { tokenizer: inFolder(tokenizer) }) }
      return openText({ ...paths, ...(column !== undefined && { column }) }, options)
    }
    default:
      return openArraySource(inFolder(description.file), description.format, description.sampleShape, options)
  }
}

function resolved(labels: LabelSource, inFolder: (file: string) => string): LabelSource {
  return 'file' in labels ? { ...labels, file: inFolder(labels.file) } : labels
}

function resolvedRaw(description: RawDescription, inFolder: (file: string) => string): RawDescription {
  const { file, inputs } = description
  const blocks = Object.entries(inputs ?? {}).map(
    ([name, entry]) => [name, 'file' in entry ? { ...entry, file: inFolder(entry.file) } : entry] as const,
  )
  return {
    ...description,
    ...(file !== undefined && { file: inFolder(file) }),
    ...(inputs && { inputs: Object.fromEntries(blocks) }),
  }
}
