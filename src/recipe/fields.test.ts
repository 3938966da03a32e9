import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { recipeSchemas } from './commands.ts'
import { type RecipeField, recipeFields, usualOf } from './fields.ts'
import { type CommandName, expectationOf, type FieldSchema, recipeJsonSchema } from './index.ts'
import { fieldWords } from './meta.ts'

const commands = Object.keys(recipeSchemas) as CommandName[]

function field(command: CommandName, name: string): RecipeField {
  const found = recipeFields(command).find((one) => one.name === name)
  assert.ok(found, name)
  return found
}

describe('the fields of a command', () => {
  for (const command of commands)
    it(`are described, in ${command}, by words that are known`, () => {
      for (const { name, type } of recipeFields(command)) {
        const words = fieldWords.safeParse(type.meta())
        assert.ok(words.success, `${command}.${name}: ${words.error?.message}`)
        assert.doesNotMatch(words.data.description, /\.$|\(default|\(needed/, name)
      }
    })

  it('have the words of the command line', () => {
    assert.deepEqual(
      (['weightBits', 'keep8bit', 'data'] as const).map((name) => field('quantize', name).flag),
      ['--weight-bits', '--keep-8bit', '--data'],
    )
  })

  it('have a kind that follows from their type', () => {
    const kinds = (command: CommandName, names: readonly string[]) => names.map((name) => field(command, name).kind)
    assert.deepEqual(kinds('quantize', ['exif', 'samples', 'range', 'exclude', 'shape', 'preprocess', 'weightBits']), [
      ...['flag', 'number', 'text', 'texts', 'dims', 'text', 'number'],
    ])
    assert.deepEqual(kinds('compress', ['macs', 'maxDrop', 'keepLayer']), ['numbers', 'number', 'texts'])
  })

  it('have the choices of their type, or of their items', () => {
    assert.deepEqual(field('quantize', 'weightBits').choices, [8, 4])
    assert.deepEqual(field('quantize', 'embeddings').choices, [8, 4, 'float'])
    assert.ok(field('quantize', 'techniques').choices?.includes('equalize'))
    assert.equal(field('quantize', 'metric').choices, undefined)
  })

  it('are needed where there is no default', () => {
    const needed = (command: CommandName) => recipeFields(command).flatMap(({ name, needed }) => (needed ? [name] : []))
    assert.deepEqual(needed('quantize'), ['model', 'data'])
    assert.deepEqual(needed('rewrite'), ['model'])
    assert.deepEqual(needed('compare'), ['model', 'data', 'other'])
  })

  it('say what happens without them: in words, or by their default', () => {
    assert.equal(usualOf(field('quantize', 'range')), 'minmax')
    assert.equal(usualOf(field('quantize', 'keep8bit')), 'first, last, depthwise')
    assert.equal(usualOf(field('finetune', 'epochs')), '3; more of a small set, up to 100')
    assert.equal(usualOf(field('quantize', 'exclude')), undefined)
    assert.equal(usualOf(field('quantize', 'exif')), undefined)
  })
})

describe('the JSON schema of the recipes', () => {
  it('is one of a schema for each command, with the texts of its fields', () => {
    const { oneOf } = recipeJsonSchema()
    assert.deepEqual(
      oneOf.map(({ properties }) => properties['command']?.const),
      commands,
    )
    for (const { properties } of oneOf) {
      assert.ok(properties['model']?.description)
      assert.equal(properties['model'].placeholder, 'file')
    }
  })

  for (const [schema, text] of [
    [{ type: 'integer', minimum: 2, maximum: 8 }, 'must be an integer ≥ 2 and ≤ 8'],
    [{ type: 'integer', exclusiveMinimum: 0, maximum: Number.MAX_SAFE_INTEGER }, 'must be an integer ≥ 1'],
    [{ type: 'number', exclusiveMinimum: 0 }, 'must be a number > 0'],
    [{ enum: ['a', 'b'] }, 'must be one of a, b'],
    [{ const: 'a' }, 'must be a'],
    [{ type: 'array', items: { type: 'string' } }, 'must be a list; each of it must be text'],
    [{ type: 'object' }, 'must be an object'],
    [{ anyOf: [{ type: 'string' }, { type: 'object' }] }, 'must be text or an object'],
  ] satisfies readonly (readonly [FieldSchema, string])[])
    it(`says that a value ${text}`, () => assert.equal(expectationOf(schema), text))
})
