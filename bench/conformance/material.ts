// ONNX's own backend tests: where they lie, what each is made of, and the variants that exercise constant folding.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isValueType, type TensorValue } from '../../src/base/index.ts'
import { type Model, readModel, readTensor, type Tensor, writeModel } from '../../src/onnx/index.ts'
import type { Values } from '../../src/runtime/index.ts'
import { sharedFolder } from '../../test/support/manifest.ts'

const archiveFolder = join(sharedFolder, 'conformance')

/** The archive of the tests, or undefined when there is none. */
export function archive(): string | undefined {
  const name = existsSync(archiveFolder)
    ? readdirSync(archiveFolder).find((each) => each.endsWith('.tar.gz'))
    : undefined
  return name === undefined ? undefined : join(archiveFolder, name)
}

/** Why the tests are skipped, or false when the archive is there. */
export const noArchive: string | false =
  archive() === undefined ? `no backend tests in ${archiveFolder}; everything that needs none is tested` : false

/** Unpacks the archive into a temporary folder, hands it to `work`, and removes it whatever happens. */
export async function withTests<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const file = archive()
  if (file === undefined) throw new Error(noArchive || 'no archive')
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-conformance-'))
  try {
    execFileSync('tar', ['xzf', file, '-C', folder])
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The tests in a folder, as `group/name`, sorted. */
export function testNames(folder: string): string[] {
  return readdirSync(folder)
    .flatMap((group) => readdirSync(join(folder, group)).map((name) => `${group}/${name}`))
    .filter((name) => existsSync(join(folder, name, 'model.onnx')))
    .sort()
}

/** Which of a model's inputs became constants: none, all but the first, all. */
export const variants = ['as it is', 'inputs but the first constant', 'all inputs constant'] as const
export type Variant = (typeof variants)[number]

/** A model and what is fed to it. */
export interface TestCase {
  readonly bytes: Uint8Array
  /** Absent, with the reason, when an input cannot be fed here. */
  readonly feeds: Values | string
}

/** One variant of a test, or undefined where it is the same as another one. */
export function testCase(folder: string, name: string, variant: Variant): TestCase | undefined {
  const bytes = new Uint8Array(readFileSync(join(folder, name, 'model.onnx')))
  if (variant === 'as it is') return caseOf(folder, name, bytes, () => false)
  const model = readModel(bytes)
  const { length } = model.graph.inputs
  if (length === 0 || (variant === 'inputs but the first constant' && length === 1)) return undefined
  const first = model.graph.inputs[0]?.name
  return caseOf(folder, name, bytes, (input) => variant === 'all inputs constant' || input !== first)
}

function caseOf(
  folder: string,
  name: string,
  bytes: Uint8Array,
  constant: (input: string) => boolean,
): TestCase | undefined {
  const feeds: Record<string, TensorValue> = {}
  const constants = new Map<string, Tensor>()
  let unfed: string | undefined
  const model = readModel(bytes)
  for (const [index, input] of model.graph.inputs.entries()) {
    const file = join(folder, name, 'test_data_set_0', `input_${index}.pb`)
    if (input.dtype === undefined) {
      // A sequence, a map or an optional can be no initialiser.
      if (constant(input.name)) return undefined
      unfed ??= `input "${input.name}" is not a tensor`
      continue
    }
    const tensor = existsSync(file) ? readTensor(new Uint8Array(readFileSync(file))) : undefined
    if (!tensor) unfed ??= `input "${input.name}" has no data`
    else if (constant(input.name)) constants.set(input.name, tensor)
    else if (isValueType(tensor.dtype))
      feeds[input.name] = { dtype: tensor.dtype, dims: tensor.shape, data: tensor.values() } as TensorValue
    else unfed ??= `input "${input.name}" is ${tensor.dtype}, which cannot be fed`
  }
  return { bytes: constants.size === 0 ? bytes : writeModel(withConstants(model, constants)), feeds: unfed ?? feeds }
}

function withConstants(model: Model, constants: ReadonlyMap<string, Tensor>): Model {
  const { graph } = model
  return {
    ...model,
    irVersion: Math.max(model.irVersion, 4),
    graph: {
      ...graph,
      inputs: graph.inputs.filter(({ name }) => !constants.has(name)),
      initializers: new Map([...graph.initializers, ...constants]),
    },
  }
}
