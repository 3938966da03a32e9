// The option tables of docs/*.md, made from the descriptions of the commands: node --import tsx scripts/option-tables.ts
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CommandName, type RecipeField, recipeFields, usualOf } from '../src/recipe/index.ts'

const docs = fileURLToPath(new URL('../docs', import.meta.url))

/** The Markdown files that have tables, by path. */
export function pagesWithTables(): readonly string[] {
  const pages = readdirSync(docs).filter((name) => name.endsWith('.md'))
  return pages.map((name) => join(docs, name)).filter((path) => withTables(readFileSync(path, 'utf8')) !== undefined)
}

/** A page with every table between its marks as it has to be; undefined when there are no marks. */
export function withTables(page: string): string | undefined {
  const marks = /(<!-- options: (\w+) -->\n)[\s\S]*?(<!-- end of options -->)/g
  if (!marks.test(page)) return undefined
  return page.replaceAll(marks, (_, begin, name, end) => `${begin}\n${tableOf(name).join('\n')}\n\n${end}`)
}

/** The options of a command that are its own, or those of all commands, a line each. */
export function tableOf(name: string): readonly string[] {
  const fields = recipeFields(name === 'common' ? 'quantize' : (name as CommandName))
  return optionTable(fields.filter((field) => field.common === (name === 'common') && field.schema.argument !== true))
}

/** Fields as a Markdown table. */
export function optionTable(fields: readonly RecipeField[]): readonly string[] {
  const rows = fields.map((field) => {
    const { flag, kind, choices, needed, schema } = field
    const value = kind === 'flag' ? '' : ` <${schema.placeholder ?? field.name}>`
    const words = [...(schema.short === undefined ? [] : [`-${schema.short}`]), flag]
    const takes = choices && choices.length > 1 ? `: ${choices.map((choice) => `\`${choice}\``).join(', ')}` : ''
    const usual = needed ? 'needed' : (usualOf(field) ?? '')
    return [`\`${words.join(', ')}${value}\``, `${schema.description ?? ''}${takes}`, usual].map(cell).join(' | ')
  })
  return ['| option | | without it |', '|---|---|---|', ...rows.map((row) => `| ${row} |`)]
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/(?<!`[^`]*)<(\w+)>/g, '&lt;$1&gt;')
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const path of pagesWithTables()) writeFileSync(path, withTables(readFileSync(path, 'utf8')) ?? '')
