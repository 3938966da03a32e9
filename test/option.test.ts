// docs/extending.md says that an option is one line. Its example is added here, and is an option everywhere.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { Command } from 'commander'
import * as z from 'zod'
import { optionTable, pagesWithTables, withTables } from '../scripts/option-tables.ts'
import { addFields } from '../src/cli/fields.ts'
import { fieldsOf } from '../src/recipe/fields.ts'
import { schemaOf } from '../src/recipe/json-schema.ts'
import { quantize } from '../src/recipe/quantize.ts'
import { fieldsOf as formFields } from '../studio/src/parts/fields.ts'

const description = 'how far ranges reach beyond what was seen'
const longer = quantize.extend({
  margin: z.number().positive().default(1).meta({ description, placeholder: 'x' }),
})

describe('an option that is one line in a description', () => {
  const fields = fieldsOf(longer)
  const margin = fields.filter(({ name }) => name === 'margin')

  it('is the line that the documentation shows', () => {
    const line = `margin: z.number().positive().default(1).meta({ description: '${description}', placeholder: 'x' }),`
    assert.ok(readFileSync('docs/extending.md', 'utf8').includes(line))
  })

  it('is a number of the recipe, with its default', () => {
    const given = { command: 'quantize', model: 'a.onnx', data: 'b' }
    const value: number = longer.parse(given).margin
    assert.deepEqual([value, longer.parse({ ...given, margin: 2 }).margin], [1, 2])
    assert.throws(() => longer.parse({ ...given, margin: 0 }))
  })

  it('is an option of the command line, with its check and its help', () => {
    const command = addFields(new Command().exitOverride().configureOutput({ writeErr: () => {} }), fields)
    assert.equal(command.parse(['a.onnx', '--margin', '2.5'], { from: 'user' }).opts()['margin'], 2.5)
    assert.throws(() => command.parse(['a.onnx', '--margin', '-1'], { from: 'user' }), /It must be a number > 0\./)
    assert.match(command.helpInformation().replace(/\s+/g, ' '), /--margin <x> how far ranges .* seen \(default: 1\)/)
  })

  it('is a field of the form', () => {
    const shown = formFields(schemaOf(longer)).find(({ name }) => name === 'margin')
    assert.deepEqual([shown?.kind, shown?.initial, shown?.help], ['number', '1', description])
  })

  it('is a row of the tables', () => {
    assert.equal(optionTable(margin)[2], `| \`--margin <x>\` | ${description} | 1 |`)
  })
})

describe('the option tables of the documentation', () => {
  const pages = pagesWithTables()
  it('are there', () => assert.ok(pages.length > 0))
  for (const path of pages)
    it(`are those of the descriptions: ${path.split('/').at(-1)}; node --import tsx scripts/option-tables.ts writes them`, () => {
      const page = readFileSync(path, 'utf8')
      assert.equal(page, withTables(page))
    })
})
