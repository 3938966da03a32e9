import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { InputError } from '../base/index.ts'
import { recipeSchemas } from './commands.ts'
import { recipeFields } from './fields.ts'
import { type CommandName, parseAnyRecipe, parseRecipe } from './index.ts'

const commands = Object.keys(recipeSchemas) as CommandName[]
const needed = { model: 'm.onnx', data: 'd', other: 'n.onnx' }

/** Numbers, words and lists that fields know, and whatever else there is in JSON. */
const values = fc.oneof(
  fc.constantFrom(0, 1, 4, 8, -1, 0.5, 1e300, '', 'none', 'auto', 'float', true, false, null),
  fc.array(fc.constantFrom(0.5, 4, 'none', 'equalize'), { maxLength: 2 }),
  fc.jsonValue({ maxDepth: 2 }),
)

describe('any JSON as a recipe', () => {
  for (const command of commands) {
    const fields = recipeFields(command)
    const least = Object.fromEntries(Object.entries(needed).filter(([key]) => fields.some(({ name }) => name === key)))

    it(`is taken and stays what it is, or is refused in a sentence that names its field: ${command}`, () => {
      const field = fc.constantFrom(...fields.map(({ name }) => name))
      fc.assert(
        fc.property(field, values, (name, value) => {
          const given = { ...least, [name]: value }
          let recipe: ReturnType<typeof parseAnyRecipe>
          try {
            recipe = parseRecipe(command, given)
          } catch (error) {
            assert.ok(error instanceof InputError, String(error))
            assert.ok(error.message.startsWith('cannot use the recipe: "'), error.message)
            assert.ok(error.message.includes(`"${name}`), `${error.message} names ${name}`)
            return
          }
          assert.deepEqual(parseAnyRecipe(JSON.parse(JSON.stringify(recipe))), recipe)
        }),
        { numRuns: 150 },
      )
    })

    it(`has older words that mean something, and no word twice: ${command}`, () => {
      const words = fields.flatMap(({ flag, schema }) => [
        ...[flag, ...(schema.aliases ?? [])],
        ...(schema.short === undefined ? [] : [`-${schema.short}`]),
      ])
      assert.equal(new Set(words).size, words.length, words.join(' '))
      for (const { name, choices, schema } of fields)
        for (const [old, now] of Object.entries(schema.formerly ?? {})) {
          assert.ok(choices?.includes(now), `${name}: ${old} became ${now}, which is no choice`)
          assert.equal(choices?.includes(old), false, `${name}: ${old} is still a choice`)
        }
    })
  }

  it('that is no object is no recipe', () => {
    const others = fc.oneof(
      fc.jsonValue().filter((json) => typeof json !== 'object' || json === null),
      fc.array(fc.nat()),
    )
    fc.assert(
      fc.property(others, (json) => {
        assert.throws(() => parseAnyRecipe(json), {
          message: 'cannot use the recipe: a recipe is an object { "command": … }',
        })
      }),
    )
  })
})
