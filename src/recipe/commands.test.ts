import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { InputError } from '../base/index.ts'
import { recipeSchemas } from './commands.ts'
import { recipeFields } from './fields.ts'
import { type CommandName, parseAnyRecipe, parseRecipe, recipeDefaults, recipeJsonSchema } from './index.ts'

const commands = Object.keys(recipeSchemas) as CommandName[]
/** The fewest fields that a command takes. */
const least: Readonly<Record<string, object>> = {
  quantize: { model: 'm.onnx', data: 'd' },
  rewrite: { model: 'm.onnx' },
  analyze: { model: 'm.onnx', data: 'd' },
  compress: { model: 'm.onnx', data: 'd' },
  finetune: { model: 'm.onnx', data: 'd' },
  evaluate: { model: 'm.onnx', data: 'd' },
  compare: { model: 'm.onnx', data: 'd', other: 'n.onnx' },
  variants: { model: 'm.onnx' },
  verify: { model: 'm.onnx' },
  check: { model: 'm.onnx', other: 'n.onnx', data: 'd' },
}

/** The sentence with which a recipe of a command is refused; undefined when it is taken. */
function refusal(command: CommandName, fields: object): string | undefined {
  try {
    parseRecipe(command, { ...least[command], ...fields })
    return undefined
  } catch (error) {
    assert.ok(error instanceof InputError)
    return error.message
  }
}

describe('the description of every command', () => {
  for (const command of commands) {
    it(`takes its needed fields alone: ${command}`, () => {
      const recipe = parseRecipe(command, least[command])
      assert.equal(recipe.command, command)
      assert.deepEqual(parseAnyRecipe(JSON.parse(JSON.stringify(recipe))), recipe)
    })

    it(`misses each of them, and says what it is: ${command}`, () => {
      for (const name of Object.keys(least[command] ?? {})) {
        const text = recipeFields(command)
          .find((field) => field.name === name)
          ?.type.meta()?.['description']
        assert.equal(refusal(command, { [name]: undefined }), `cannot use the recipe: "${name}" is missing: ${text}`)
      }
    })

    it(`knows no field twice, and none by accident: ${command}`, () => {
      const names = recipeFields(command).map(({ name }) => name)
      assert.equal(new Set(names).size, names.length)
      assert.match(refusal(command, { nobody: 1 }) ?? '', new RegExp(`${command} has no field "nobody"`))
    })

    it(`gives its defaults in the form of a recipe: ${command}`, () => {
      const defaults = recipeDefaults(command)
      assert.deepEqual(parseRecipe(command, { ...least[command], ...defaults }), parseRecipe(command, least[command]))
    })

    it(`has a schema whose defaults and choices are those of the description: ${command}`, () => {
      const properties = recipeJsonSchema().oneOf[commands.indexOf(command)]?.properties ?? {}
      for (const { name, choices } of recipeFields(command)) {
        assert.ok(properties[name], `${command}.${name} is in the schema`)
        if (choices && properties[name]?.enum) assert.deepEqual(properties[name].enum, [...choices])
      }
    })

    it(`has a list of options in the documentation: ${command}`, () => {
      const page = readFileSync('docs/options.md', 'utf8')
      for (const { flag, name } of recipeFields(command).filter(({ type }) => !type.meta()?.['argument']))
        assert.ok(page.includes(flag ?? ''), `${command} ${name}: ${flag}`)
    })
  }
})

describe('values that a recipe refuses', () => {
  const cases: readonly (readonly [CommandName, object, string])[] = [
    [
      'quantize',
      { activationType: 'uint9' },
      '"activationType" is "uint9", must be one of uint8, int8, uint16, int16; did you mean',
    ],
    ['quantize', { mode: 'statik' }, '"mode" is "statik", must be one of'],
    ['quantize', { clip: 'both' }, '"clip" is "both", must be one of hold, exact, auto'],
    ['quantize', { samples: '64' }, '"samples" is "64", must be an integer ≥ 1'],
    ['quantize', { shape: { x: [0] } }, '"shape.x.0" is 0'],
    ['quantize', { keep: true }, '"keep" is true, must be one of if-better, always'],
    ['compress', { multiple: 0 }, '"multiple" is 0, must be an integer ≥ 1'],
    ['compress', { method: 'svd' }, '"method" is "svd", must be one of'],
    ['finetune', { epochs: -1 }, '"epochs" is -1'],
    ['finetune', { optimizer: 'adamw2' }, '"optimizer" is "adamw2", must be one of'],
    ['finetune', { train: 'bias' }, '"train" is "bias", must be one of'],
    ['rewrite', { passes: ['fold-batchnorm'] }, 'did you mean "fold-batch-norm"?'],
    ['compare', { threads: 0 }, '"threads" is 0, must be an integer ≥ 1'],
    ['evaluate', { exif: 1 }, '"exif" is 1, must be true or false'],
  ]
  for (const [command, fields, sentence] of cases)
    it(`${command} ${JSON.stringify(fields)}`, () => {
      const said = refusal(command, fields)
      assert.ok(said?.includes(sentence) && said.startsWith('cannot use the recipe: '), `${said}`)
    })
})

describe('words of a recipe', () => {
  it('of the command line are those of the fields', () => {
    for (const command of commands)
      for (const { name, flag } of recipeFields(command))
        if (flag) assert.match(flag, /^--[a-z0-9]+(-[a-z0-9]+)*$/, `${command}.${name}`)
  })

  it('that several commands have mean the same in each', () => {
    const texts = new Map<string, Set<string>>()
    // The output of most commands is a model, that of variants a folder.
    for (const command of commands.filter((each) => each !== 'variants'))
      for (const { name, type } of recipeFields(command))
        texts.set(name, (texts.get(name) ?? new Set()).add(String(type.meta()?.['placeholder'])))
    for (const name of ['model', 'labels', 'preprocess', 'seed', 'shape', 'threads', 'output'])
      assert.equal(texts.get(name)?.size, 1, `${name}: ${[...(texts.get(name) ?? [])].join()}`)
  })
})
