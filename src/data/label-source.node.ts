// Labels from files: what a description names, or what the person gives beside the data.
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { bytesPerElement, InputError, sizeOf, type TensorValue } from '../base/index.ts'
import { type Block, blockOf, openArray, openRaw } from './block.node.ts'
import { openBytes } from './byte-source.node.ts'
import { elementOf } from './convert.ts'
import type { Label } from './dataset.ts'
import type { LabelSource } from './description.ts'
import {
  type CsvColumns,
  type LabelTable,
  labelsFromCsv,
  labelsFromJson,
  labelsFromLines,
  matchLabels,
  nextTokenLabel,
} from './labels.ts'
import { isMask } from './plausible.ts'
import { type ClassFacts, idsOf, type Source, withLabels } from './source.ts'

/**
 * A source with the labels that a description names (paths resolved already).
 * @throws InputError when they are missing, malformed, or not one per sample
 */
export async function labelSource(source: Source, labels: LabelSource, facts: ClassFacts): Promise<Source> {
  switch (labels.format) {
    case 'next-token':
      return nextToken(source, facts)
    case 'csv':
      return fromTable(
        source,
        labelsFromCsv(await readText(labels.file), labels.file, columnsOf(labels)),
        labels.file,
        facts,
      )
    case 'json':
      return fromTable(source, labelsFromJson(await readText(labels.file), labels.file, labels.key), labels.file, facts)
    case 'raw':
      return fromBlock(source, await openRawLabels(labels), facts)
    default:
      return fromBlock(source, await openArray(labels.file, labels.format), facts)
  }
}

/**
 * A source with the labels of a file: `.csv` (file,label), `.json` ({file: label} or a list), `.npy`, idx, or text with
 * one label a line; or `next-token`.
 */
export async function labelFile(source: Source, file: string): Promise<Source> {
  const facts = {
    ...(source.classes !== undefined && { classes: source.classes }),
    ...(source.classNames && { classNames: source.classNames }),
  }
  if (file === 'next-token') return nextToken(source, facts)
  const kind = extname(file).toLowerCase()
  if (kind === '.csv') return fromTable(source, labelsFromCsv(await readText(file), file), file, facts)
  if (kind === '.json') return fromTable(source, labelsFromJson(await readText(file), file), file, facts)
  if (kind === '.npy') return fromBlock(source, await openArray(file, 'npy'), facts)
  if (kind === '.txt') return fromTable(source, labelsFromLines(await readText(file), file), file, facts)
  if (kind === '.gz' || /idx\d-/.test(file)) return fromBlock(source, await openArray(file, 'idx'), facts)
  throw new InputError(`cannot use labels ${file}: expected a .csv, .json, .txt, .npy or idx file`, { file })
}

/** Reads a text file. @throws InputError when it is missing */
export async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw new InputError(`cannot read ${file}: there is no such file, or it is not readable`, { file }, error)
  })
}

function columnsOf({ key = 'file', column = 'label', names }: CsvColumns): CsvColumns {
  return { key, column, names }
}

function fromTable(source: Source, table: LabelTable, file: string, facts: ClassFacts): Source {
  const labels = matchLabels(table, idsOf(source), file)
  const classNames = facts.classNames ?? (table.kind === 'by-name' ? namesOf(table, facts.classes) : undefined)
  return withLabels(source, async (index) => labels[index]!, { ...facts, ...(classNames && { classNames }) })
}

/** Class names by number; a class without a name is called by its number. */
function namesOf({ names }: LabelTable & { kind: 'by-name' }, classes = 0): string[] | undefined {
  if (!names) return undefined
  const count = [...names.keys()].reduce((most, label) => Math.max(most, label + 1), classes)
  return Array.from({ length: count }, (_, label) => names.get(label) ?? `${label}`)
}

function fromBlock(source: Source, block: Block, facts: ClassFacts): Source {
  if (block.count !== source.size)
    throw new InputError(`labels ${block.file} have ${block.count} entries for ${source.size} samples`, {
      file: block.file,
    })
  return withLabels(source, async (index) => labelOf(await block.read(index)), facts)
}

async function openRawLabels(labels: LabelSource & { format: 'raw' }): Promise<Block> {
  if (labels.shape) return openRaw({ ...labels, shape: labels.shape })
  const bytes = await openBytes(labels.file)
  const count = Math.floor(bytes.length / bytesPerElement(labels.dtype))
  return blockOf(bytes, { dtype: labels.dtype, dims: [], count, offset: 0 })
}

/** A stored value as a label: a number, or one per position. */
export function labelOf(value: TensorValue): Label {
  const size = sizeOf(value.dims)
  if (size === 1) return elementOf(value, 0)
  return Array.from({ length: size }, (_, index) => elementOf(value, index))
}

function nextToken(source: Source, facts: ClassFacts): Source {
  return {
    ...source,
    ...facts,
    hasLabels: true,
    read: async (index) => {
      const sample = await source.read(index)
      const [tokens] = Object.values(sample.values)
      if (!tokens) return sample
      const mask = Object.entries(sample.values).find(([name]) => isMask({ name }))?.[1]
      const isPadding = (at: number) => mask?.data.length === tokens.data.length && elementOf(mask, at) === 0
      const numbers = Array.from({ length: tokens.data.length }, (_, at) =>
        isPadding(at) ? -1 : elementOf(tokens, at),
      )
      return { ...sample, label: nextTokenLabel(numbers) }
    },
  }
}
