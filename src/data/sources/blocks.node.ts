// Samples that lie as numbers in files: raw blocks, records, .npy and idx.
import { basename } from 'node:path'
import { bytesPerElement, InputError, sizeOf, type TensorValue } from '../../base/index.ts'
import { type Block, blockOf, openArray, openRaw } from '../block.node.ts'
import { openBytes } from '../byte-source.node.ts'
import type { InputSpec } from '../dataset.ts'
import type { RawBlock, RawDescription, RecordsDescription } from '../description.ts'
import { constantValue } from '../fill-inputs.ts'
import { type Fitting, fittingFor, inputFor } from '../fit-value.ts'
import { concreteShapes, type GivenShapes } from '../input-shape.ts'
import { labelOf } from '../label-source.node.ts'
import type { Preprocess } from '../preprocess.ts'
import { type Source, withLabels } from '../source.ts'

export interface BlockOptions {
  readonly inputs: readonly InputSpec[]
  readonly preprocess?: Preprocess | undefined
  readonly shapes?: GivenShapes | undefined
}

/** The samples of a .npy or idx file. */
export async function openArraySource(
  file: string,
  format: 'npy' | 'idx',
  sampleShape: readonly number[] | undefined,
  options: BlockOptions,
): Promise<Source> {
  return blockSource(basename(file), await openArray(file, format, sampleShape), options)
}

/** The samples of a `raw` description, for the one input they fit or for the inputs it names. */
export async function openRawSource(name: string, description: RawDescription, options: BlockOptions): Promise<Source> {
  const { file, dtype, shape, inputs } = description
  if (inputs) return namedBlocks(name, inputs, options)
  if (file === undefined || dtype === undefined || shape === undefined)
    throw new InputError(`the data set description ${name} needs "file", "dtype" and "shape", or "inputs"`)
  return blockSource(name, await openRaw({ file, dtype, shape }), options)
}

/** The samples of a `records` description, with the labels inside them. */
export async function openRecords(
  name: string,
  description: RecordsDescription,
  options: BlockOptions,
): Promise<Source> {
  const { file, recordBytes, sample, label } = description
  const bytes = await openBytes(file)
  const count = Math.floor(bytes.length / recordBytes)
  const left = bytes.length % recordBytes
  if (left !== 0 || count === 0)
    throw new InputError(
      `${file} has ${bytes.length} bytes, which is ${count} records of ${recordBytes} and ${left} bytes more; is it cut off?`,
      { file },
    )
  const part = ({ dtype, offset, shape = [] }: NonNullable<RecordsDescription['label']>) => {
    const end = offset + sizeOf(shape) * bytesPerElement(dtype)
    if (end > recordBytes)
      throw new InputError(`${name}: ${dtype}[${shape}] at byte ${offset} ends at ${end}, a record has ${recordBytes}`)
    return blockOf(bytes, { dtype, dims: shape, count, offset, stride: recordBytes })
  }
  const source = blockSource(name, part(sample), options)
  if (!label) return source
  const labels = part(label)
  return withLabels(source, async (index) => labelOf(await labels.read(index)))
}

function blockSource(name: string, block: Block, options: BlockOptions): Source {
  const input = inputFor(options.inputs, block, block.file)
  const fitting = fittingFor(input, block, options.preprocess, block.file)
  return sourceOf(name, [{ block, fitting }], {}, options)
}

async function namedBlocks(
  name: string,
  named: NonNullable<RawDescription['inputs']>,
  options: BlockOptions,
): Promise<Source> {
  const parts: Part[] = []
  const constants: Record<string, TensorValue> = {}
  for (const [inputName, entry] of Object.entries(named)) {
    const input = options.inputs.find((each) => each.name === inputName)
    if (!input)
      throw new InputError(
        `${name} describes the input "${inputName}", which the model does not have; its inputs are ${options.inputs.map((each) => each.name).join(', ')}`,
      )
    if ('constant' in entry)
      constants[inputName] = constantValue(
        input,
        concreteShapes(options.inputs, options.shapes).get(inputName) ?? [],
        entry.constant,
      )
    else parts.push(await openPart(input, entry, options))
  }
  return sourceOf(name, parts, constants, options)
}

async function openPart(input: InputSpec, entry: RawBlock, options: BlockOptions): Promise<Part> {
  const block = await openRaw(entry)
  return { block, fitting: fittingFor(input, block, options.preprocess, block.file) }
}

interface Part {
  readonly block: Block
  readonly fitting: Fitting
}

function sourceOf(
  name: string,
  parts: readonly Part[],
  constants: Readonly<Record<string, TensorValue>>,
  options: BlockOptions,
): Source {
  const [first] = parts
  if (!first) throw new InputError(`the data set description ${name} names no file`)
  const size = first.block.count
  const other = parts.find(({ block }) => block.count !== size)
  if (other)
    throw new InputError(
      `${first.block.file} has ${size} samples, ${other.block.file} has ${other.block.count}; all inputs need the same number`,
    )
  if (size === 0) throw new InputError(`${first.block.file} holds no samples`, { file: first.block.file })
  const notes = parts.flatMap(({ fitting }) => fitting.notes)
  const file = basename(first.block.file)
  return {
    name,
    size,
    fed: new Set([...Object.keys(constants), ...parts.map(({ fitting }) => fitting.input.name)]),
    hasLabels: false,
    notes: () => notes,
    ...(options.preprocess && { preprocess: options.preprocess }),
    id: (index) => `${file}#${index}`,
    read: async (index) => {
      const values: Record<string, TensorValue> = { ...constants }
      for (const { block, fitting } of parts) values[fitting.input.name] = fitting.apply(await block.read(index))
      return { values }
    },
  }
}
