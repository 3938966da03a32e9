// Where results go: default names, never the input, nothing half written.
import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, parse, resolve } from 'node:path'
import { UsageError } from '../base/index.ts'
import type { WriteOptions } from '../onnx/index.node.ts'

/** `folder/name.suffix.onnx` beside the input. */
export function defaultOutput(input: string, suffix: string): string {
  const { dir, name } = parse(input)
  return join(dir, `${name}.${suffix}.onnx`)
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 }

/** Where the weights of an output go, by the recipe's words: `all`, `none`, `1024`, `1MB`. */
export function weightsOf({ externalData }: { readonly externalData?: string | undefined }): WriteOptions {
  if (externalData === undefined) return {}
  if (externalData === 'all' || externalData === 'none') return { externalData }
  const [, number = '', unit = ''] = /^([\d.]+) ?([kMG]?)/.exec(externalData) ?? []
  return { externalData: Number(number) * (UNITS[unit] ?? 1) }
}

/** @throws UsageError when the output is one of the inputs, by whatever path, or could not be written: known before the work */
export function checkOutput(output: string, inputs: readonly string[], option = '-o'): void {
  const folder = dirname(resolve(output))
  const kind = (path: string) => statSync(path, { throwIfNoEntry: false })
  if (!kind(folder)?.isDirectory())
    throw new UsageError(
      `cannot write ${output}: there is no folder ${folder}; make it, or give another name with ${option}`,
    )
  if (kind(output)?.isDirectory())
    throw new UsageError(`cannot write ${output}: it is a folder; give the name of a file with ${option}`)
  try {
    accessSync(folder, constants.W_OK)
  } catch {
    throw new UsageError(`cannot write ${output}: the folder ${folder} is read-only; give another name with ${option}`)
  }
  for (const input of inputs)
    if (real(output) === real(input))
      throw new UsageError(
        `the output ${output} is the input; onnxpress never overwrites it: give another name with ${option}`,
      )
  const data = `${output}.data`
  // A model names its data files; no other model is likely to name this one.
  const names = (input: string) => kind(input)?.isFile() && readFileSync(input).includes(basename(data))
  if (!kind(data)) return
  for (const input of inputs)
    if (real(dirname(resolve(input))) === real(folder) && names(input))
      throw new UsageError(
        `the weights of ${input} lie in ${data}, where those of the output would go; onnxpress never overwrites them: give another name with ${option}`,
      )
}

/** @throws UsageError when the report page beside a model could not be written: known before the work */
export function checkPage(page: string): void {
  const folder = dirname(resolve(page))
  try {
    accessSync(folder, constants.W_OK)
  } catch (error) {
    // Where there is no folder, there is no model either: reading it says so.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw new UsageError(
      `cannot write the report ${page}: the folder ${folder} is read-only; give --no-report, or a folder with --run`,
    )
  }
}

function real(path: string): string {
  const full = resolve(path)
  try {
    return realpathSync(full)
  } catch {
    try {
      return join(realpathSync(dirname(full)), parse(full).base)
    } catch {
      return full
    }
  }
}
