// Where results go: default names, never the input, nothing half written.
import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { dirname, join, parse, resolve } from 'node:path'
import { UsageError } from '../base/index.ts'

/** `folder/name.suffix.onnx` beside the input. */
export function defaultOutput(input: string, suffix: string): string {
  const { dir, name } = parse(input)
  return join(dir, `${name}.${suffix}.onnx`)
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
