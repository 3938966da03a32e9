// From the description of a command to its options: words, help, and what a text of the command line means.
import { Argument, type Command, InvalidArgumentError, Option } from 'commander'
import { didYouMean } from '../base/index.ts'
import { expectationOf, type RecipeField, usualOf } from '../recipe/index.ts'
import { list, shapeOption } from './options.ts'

/** Adds an option or an argument for every field. */
export function addFields(command: Command, fields: readonly RecipeField[]): Command {
  for (const field of fields.filter(isArgument)) command.addArgument(new Argument(`<${field.name}>`, textOf(field)))
  const options = fields.filter((field) => !isArgument(field))
  for (const field of options.toSorted((a, b) => rank(a) - rank(b)))
    for (const option of optionsOf(field)) command.addOption(option)
  return command
}

function isArgument({ schema }: RecipeField): boolean {
  return schema.argument === true
}

/** What is needed first, then the command's own options, then where samples come from, the output last. */
function rank({ name, needed, common }: RecipeField): number {
  return needed || name === 'data' ? 0 : name === 'output' ? 3 : common ? 2 : 1
}

/** The option of a field, and hidden ones for its older words. */
export function optionsOf(field: RecipeField): readonly Option[] {
  const { name, flag, kind, schema } = field
  const value = kind === 'flag' ? '' : ` <${schema.placeholder ?? name}>`
  const words = [flag, ...(schema.aliases ?? []).map((alias) => `--${alias}`)]
  return words.map((word, index) => {
    const short = index === 0 && schema.short !== undefined ? `-${schema.short}, ` : ''
    const option = new Option(`${short}${word}${value}`, textOf(field))
    option.attributeName = () => name
    if (kind !== 'flag') option.argParser((text: string, before: unknown) => valueOfText(field, text, before))
    return index === 0 ? option : option.hideHelp()
  })
}

/** The text of `--help`: what it does, what it takes, what happens without. */
function textOf(field: RecipeField): string {
  const { kind, choices, needed, schema } = field
  const usual = usualOf(field)
  const notes = [
    ...(choices ? [`${choices.length > 1 ? 'one of ' : ''}${choices.join(', ')}`] : []),
    ...(kind === 'dims' || (kind === 'texts' && !choices) ? ['repeatable'] : []),
    ...(needed && !isArgument(field) ? ['needed'] : []),
    ...(usual === undefined ? [] : [`default: ${usual}`]),
  ]
  return `${schema.description ?? ''}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`
}

/** What a text means, after what the option was given before. */
function valueOfText(field: RecipeField, text: string, before: unknown): unknown {
  const { kind, schema } = field
  if (kind === 'dims') return shapeOption(text, before as Record<string, number[]> | undefined)
  const single = kind !== 'texts' && kind !== 'numbers'
  const items = (single ? [text] : list(text)).map((word) => itemOf(field, word))
  const value = single ? items[0] : [...((before as readonly unknown[] | undefined) ?? []), ...items]
  if (field.type.safeParse(value).success) return value
  throw new InvalidArgumentError(`It ${expectationOf(single ? schema : (schema.items ?? schema))}.`)
}

/** @throws InvalidArgumentError for a word that is none of the choices, with the nearest one */
function itemOf({ kind, choices, schema }: RecipeField, text: string): unknown {
  const word = schema.formerly?.[text] ?? text
  if (choices) {
    const known = choices.find((choice) => String(choice) === word)
    if (known !== undefined) return known
    const words = choices.map(String)
    throw new InvalidArgumentError(`Allowed choices are ${words.join(', ')}${didYouMean(word, words) || '.'}`)
  }
  return kind === 'number' || kind === 'numbers' ? Number(word) : word
}
