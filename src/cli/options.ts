// Options that several commands share, and how their words become values.
import { type Command, InvalidArgumentError, Option } from 'commander'

/** A whole number from 1. */
export function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('it must be a whole number from 1.')
  return value
}

export function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value)) throw new InvalidArgumentError('it must be a whole number.')
  return value
}

/** Shares such as 0.75,0.5. */
export function ratios(text: string): number[] {
  return text.split(',').map(share)
}

/** A number above 0 and at most 1. */
export function share(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('it must be a number above 0 and at most 1.')
  return value
}

/** `name:1x3x224x224`, repeated for several inputs. */
export function shapeOption(text: string, before: Record<string, number[]> = {}): Record<string, number[]> {
  const match = /^(.+):(\d+(?:x\d+)*)$/.exec(text)
  const dims = (match?.[2] ?? '').split('x').map(Number)
  if (!match || dims.includes(0)) throw new InvalidArgumentError('write it as name:1x3x224x224, sizes from 1.')
  return { ...before, [match[1] ?? '']: dims }
}

/** Repeatable, and comma-separated. */
export function list(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').filter((word) => word !== '')]
}

/** Where samples come from and what happens to them. */
export function addSampleOptions(command: Command): Command {
  return command
    .option('--labels <file>', 'labels: a CSV (file,label), a JSON object, or one label a line')
    .option('--preprocess <preset|file>', 'preset (imagenet, inception, caffe, unit, raw255) or a JSON file')
    .option('--exif', 'turn pictures as their EXIF orientation says')
    .option('--shape <name:dims>', 'dims for an input with free ones, as x:1x3x224x224 (repeatable)', shapeOption)
    .option('--seed <n>', 'seed of everything random', whole)
    .option('--threads <n>', 'threads of ONNX Runtime (default: all cores)', positive)
}

/** Where a run is kept, and what it leaves beside its model. */
export function addRunOptions(command: Command, folder = 'run folder for recipe, events, report and model'): Command {
  return command
    .option('--run <dir>', folder)
    .option('--no-report', 'write no report page')
    .option('--print-recipe', 'print the recipe and stop')
}

/** What is printed, and how much. */
export function addOutputOptions(command: Command): Command {
  return command
    .option('--json', 'print one JSON object on stdout')
    .option('--quiet', 'no progress')
    .addOption(new Option('--debug', 'show the stack of an error'))
}

/** Removes undefined and keys that are not the recipe's. */
export function recipeFields(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const notRecipe = new Set(['json', 'quiet', 'debug', 'run', 'report', 'printRecipe'])
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => value !== undefined && !notRecipe.has(name)),
  )
}
