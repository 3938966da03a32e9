// Where results go: default names, never the input, nothing half written.
import { realpathSync } from 'node:fs'
import { dirname, join, parse, resolve } from 'node:path'
import { UsageError } from '../base/index.ts'

/** `folder/name.suffix.onnx` beside the input. */
export function defaultOutput(input: string, suffix: string): string {
  const { dir, name } = parse(input)
  return join(dir, `${name}.${suffix}.onnx`)
}

/** @throws UsageError when the output is one of the inputs, by whatever path */
export function refuseInputAsOutput(output: string, inputs: readonly string[]): void {
  for (const input of inputs)
    if (real(output) === real(input))
      throw new UsageError(
        `the output ${output} is the input; onnxpress never overwrites it: give another name with -o`,
      )
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
