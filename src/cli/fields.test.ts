import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Command } from 'commander'
import { type CommandName, commandLineOf, parseRecipe, recipeFields } from '../pipeline/index.ts'
import { addFields, optionsOf } from './fields.ts'

/** What the command's options give. */
function parsed(name: CommandName, ...words: string[]): Record<string, unknown> {
  const command = new Command(name).exitOverride().configureOutput({ writeErr: () => {} })
  return addFields(command, recipeFields(name))
    .parse(['m.onnx', ...words], { from: 'user' })
    .opts()
}

const field = (name: CommandName, key: string) => recipeFields(name).find((one) => one.name === key) ?? assert.fail(key)

describe('the options of a command', () => {
  for (const name of ['quantize', 'rewrite', 'evaluate', 'compare', 'compress', 'finetune'] as const)
    it(`are the fields of its recipe: ${name}`, () => {
      const command = addFields(new Command(name), recipeFields(name))
      const words = [
        ...command.options.map((option) => option.attributeName()),
        ...command.registeredArguments.map((one) => one.name()),
      ]
      assert.deepEqual(
        words.toSorted(),
        recipeFields(name)
          .map((one) => one.name)
          .toSorted(),
      )
    })

  it('turn words into the values of a recipe', () => {
    const words = [
      '--weight-bits',
      '4',
      '--embeddings',
      'float',
      '--shape',
      'x:1x3',
      '--shape',
      'y:2',
      '--exif',
      '--seed',
      '-3',
    ]
    const values = { weightBits: 4, embeddings: 'float', shape: { x: [1, 3], y: [2] }, exif: true, seed: -3 }
    assert.deepEqual(parsed('quantize', ...words), values)
    assert.deepEqual(parsed('compress', '--macs', '0.5,0.25'), { macs: [0.5, 0.25] })
  })

  it('are lists by commas and by repetition', () => {
    assert.deepEqual(parsed('quantize', '--exclude', 'a,b', '--exclude', 'c'), { exclude: ['a', 'b', 'c'] })
    assert.deepEqual(parsed('quantize', '--techniques', 'equalize,correct-bias'), {
      techniques: ['equalize', 'correct-bias'],
    })
  })

  for (const [words, message] of [
    [['--range', 'mimax'], /Allowed choices are minmax, .*; did you mean "minmax"\?/],
    [['--techniques', 'equalise'], /did you mean "equalize"\?/],
    [['--weight-bits', '5'], /Allowed choices are 8, 4/],
    [['--samples', '0'], /It must be an integer ≥ 1\./],
    [['--shape', 'x:0'], /write it as name:1x3x224x224/],
    [['--rnage', 'mse'], /unknown option '--rnage'\n\(Did you mean --range\?\)/],
  ] as const)
    it(`say what is wrong with ${words.join(' ')}`, () => assert.throws(() => parsed('quantize', ...words), message))

  it('keep older words of choices', () => {
    assert.deepEqual(parsed('rewrite', '--passes', 'lift-opset,name-nodes')['passes'], ['convert-opset', 'name-nodes'])
  })

  it('keep older words, unseen', () => {
    const renamed = field('quantize', 'keep8bit')
    const options = optionsOf({ ...renamed, schema: { ...renamed.schema, aliases: ['keep-eight'] } })
    assert.deepEqual(
      options.map(({ long, hidden }) => [long, hidden]),
      [
        ['--keep-8bit', false],
        ['--keep-eight', true],
      ],
    )
    const command = new Command()
    for (const option of options) command.addOption(option)
    const { keep8bit } = command.parse(['--keep-eight', 'first', '--keep-8bit', 'last'], { from: 'user' }).opts()
    assert.deepEqual(keep8bit, ['first', 'last'])
  })

  it('say in their help what they take and what happens without', () => {
    const help = (name: CommandName, key: string) => optionsOf(field(name, key))[0]?.description
    assert.equal(
      help('quantize', 'weights'),
      'grid of the weights (one of per-channel, per-tensor; default: per-channel)',
    )
    assert.match(help('quantize', 'data') ?? '', /\(needed\)$/)
    assert.match(help('quantize', 'only') ?? '', /\(repeatable\)$/)
    assert.match(help('finetune', 'alpha') ?? '', /\(default: 0\.5\)$/)
  })

  it('give back the recipe whose command line they are', () => {
    const recipe = parseRecipe('quantize', {
      model: 'm.onnx',
      data: 'd',
      weightBits: 4,
      keep8bit: ['first', 'a*'],
      techniques: ['equalize', 'correct-bias'],
      shape: { x: [1, 3] },
      exif: true,
      range: 'mse',
      output: 'o.onnx',
    })
    const words = commandLineOf(recipe).replaceAll("'", '').split(' ').slice(3)
    assert.deepEqual(parseRecipe('quantize', { model: 'm.onnx', ...parsed('quantize', ...words) }), recipe)
  })
})
