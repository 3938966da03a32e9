// Options that are not part of a recipe, and how words of the command line become values.
import { type Command, InvalidArgumentError, Option } from 'commander'

/** A port or the like. */
export function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value)) throw new InvalidArgumentError('It must be an integer.')
  return value
}

/** `name:1x3x224x224`, repeated for several inputs. */
export function shapeOption(text: string, before: Record<string, number[]> = {}): Record<string, number[]> {
  const match = /^(.+):(\d+(?:x\d+)*)$/.exec(text)
  const dims = (match?.[2] ?? '').split('x').map(Number)
  if (!match || dims.includes(0)) throw new InvalidArgumentError('write it as name:1x3x224x224, sizes from 1.')
  return { ...before, [match[1] ?? '']: dims }
}

/** The words between commas. */
export function list(text: string): string[] {
  return text.split(',').filter((word) => word !== '')
}

/** Where a run is kept, and what it leaves beside its model. */
export function addRunOptions(command: Command, folder: string): Command {
  return command.option('--run <dir>', folder).option('--no-report', 'write no report page')
}

/** What is printed, and how much. */
export function addOutputOptions(command: Command): Command {
  return command
    .option('--json', 'print one JSON object on stdout')
    .option('--quiet', 'no progress')
    .addOption(new Option('--debug', 'show the stack of an error'))
}
