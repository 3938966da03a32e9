import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InputError } from '../base/index.ts'
import { parseAnyRecipe, parseRecipe, type QuantizeRecipe, recipeDefaults } from './index.ts'

const given = { model: 'a.onnx', data: 'b' }

/** The sentence of a recipe that is refused. */
function refusal(parse: () => unknown): string {
  try {
    parse()
  } catch (error) {
    assert.ok(error instanceof InputError)
    return error.message
  }
  return assert.fail('it was taken')
}

describe('a recipe of a command', () => {
  it('has the type of its command, and all defaults', () => {
    const recipe: QuantizeRecipe = parseRecipe('quantize', given)
    assert.deepEqual(
      [recipe.command, recipe.version, recipe.weights, recipe.range, recipe.keep8bit, recipe.shape],
      ['quantize', 1, 'per-channel', 'minmax', ['first', 'last', 'depthwise'], {}],
    )
    assert.equal(parseRecipe('compare', { ...given, other: 'c.onnx' }).other, 'c.onnx')
    assert.equal('rounding' in recipe, false)
  })

  it('is written in the order of its description, whatever the order that was given', () => {
    const words = ['version', 'command', 'model', 'data', 'samples', 'labels', 'exif', 'seed', 'shape', 'metric']
    assert.deepEqual(Object.keys(parseRecipe('evaluate', { metric: 'top5', samples: 2, labels: 'l', ...given })), words)
  })

  it('gives itself when it is parsed again', () => {
    for (const command of ['quantize', 'rewrite', 'evaluate', 'compress', 'finetune'] as const) {
      const recipe = parseRecipe(command, given)
      assert.deepEqual(parseAnyRecipe(JSON.parse(JSON.stringify(recipe))), recipe)
    }
  })

  it('says what is wrong with a target that is no word, and with one that objects have by nature', () => {
    for (const target of ['toString', { toString: {} }, ['ort-wasm']])
      assert.match(
        refusal(() => parseRecipe('analyze', { ...given, target })),
        /^cannot use the recipe: "target"/,
      )
  })

  it('is not the recipe of another', () => {
    const other = { command: 'rewrite', ...given }
    assert.equal(
      refusal(() => parseRecipe('quantize', other, 'r.json')),
      'cannot use r.json: it is a recipe of rewrite, expected one of quantize',
    )
  })

  it('holds the defaults of its description', () => {
    const { model, data, command, ...defaults } = parseRecipe('compress', given)
    assert.deepEqual(recipeDefaults('compress'), defaults)
    assert.deepEqual([model, data, command], ['a.onnx', 'b', 'compress'])
  })
})

describe('a recipe of any command', () => {
  it('is told by its "command"', () => {
    assert.equal(parseAnyRecipe({ command: 'rewrite', model: 'a.onnx' }).data, 'random')
  })

  for (const [what, json, message] of [
    ['a list', [1], 'a recipe is an object { "command": … }'],
    ['no command', given, 'its "command" is missing, expected one of quantize, rewrite'],
    ['an unknown command', { command: 'quantise' }, 'its "command" is "quantise", expected one of quantize, rewrite'],
  ] as const)
    it(`cannot be ${what}`, () => {
      assert.ok(refusal(() => parseAnyRecipe(json, 'r.json')).startsWith(`cannot use r.json: ${message}`))
    })
})

describe('what is wrong with a recipe', () => {
  const wrong = (fields: object) => refusal(() => parseRecipe('quantize', { ...given, ...fields }, 'r.json'))

  for (const [title, fields, message] of [
    ['an unknown field', { weightz: 1 }, 'quantize has no field "weightz"; did you mean "weights"?'],
    ['a field far from all', { zzzzzz: 1 }, 'quantize has no field "zzzzzz"'],
    [
      'a mistyped value',
      { range: 'mimax' },
      '"range" is "mimax", must be one of minmax, percentile, mse, sqnr, entropy; did you mean "minmax"?',
    ],
    ['a number that is not a choice', { weightBits: 5 }, '"weightBits" is 5, must be one of 8, 4'],
    ['a value of another type', { exif: 'yes' }, '"exif" is "yes", must be true or false'],
    ['a number below its range', { samples: 0 }, '"samples" is 0, must be an integer ≥ 1'],
    ['a fraction', { seed: 1.5 }, '"seed" is 1.5, must be an integer'],
    ['no list', { exclude: 'a' }, '"exclude" is "a", must be a list; each of it must be text'],
    ['a wrong item', { exclude: ['a', 3] }, '"exclude.1" is 3, must be text'],
    ['a missing field', { model: undefined }, '"model" is missing: an .onnx file'],
  ] as const)
    it(`is said of ${title}`, () => assert.equal(wrong(fields), `cannot use r.json: ${message}`))

  it('is said of a mistyped technique', () => {
    assert.match(
      wrong({ techniques: ['none', 'equalise'] }),
      /"techniques\.1" is "equalise", .*did you mean "equalize"\?/,
    )
  })

  it('is said of shares', () => {
    assert.equal(
      refusal(() => parseRecipe('compress', { ...given, macs: [0.5, 1.5] })),
      'cannot use the recipe: "macs.1" is 1.5, must be a number > 0 and ≤ 1',
    )
  })
})

describe('the type of values', () => {
  it('is the usual one of the target, unless somebody says another', () => {
    const typeOf = (command: 'quantize' | 'analyze', more: object) =>
      parseRecipe(command, { model: 'm.onnx', data: 'random', ...more }).activationType
    for (const command of ['quantize', 'analyze'] as const) {
      assert.equal(typeOf(command, {}), 'uint8')
      assert.equal(typeOf(command, { target: 'openvino' }), 'uint8')
      assert.equal(typeOf(command, { target: 'qnn' }), 'uint16')
      assert.equal(typeOf(command, { target: 'tensorrt' }), 'int8')
      assert.equal(typeOf(command, { target: 'qnn', activationType: 'uint8' }), 'uint8')
    }
  })
})

describe('the number of samples', () => {
  it('is 64 for quantize, 128 where weights of 4 bits are refitted, and what was said', () => {
    const samples = (more: object) => parseRecipe('quantize', { ...given, ...more }).samples
    assert.deepEqual([samples({}), samples({ weightBits: 4 }), samples({ weightBits: 4, samples: 7 })], [64, 128, 7])
    assert.deepEqual([samples({ tune: 'bias' }), samples({ tune: 'bias', samples: 7 })], [384, 7])
  })

  it('is all of them for a training, whatever the bits', () => {
    assert.equal('samples' in parseRecipe('finetune', { ...given, qat: true, weightBits: 4 }), false)
  })

  it('does not matter with stored statistics, which need no data', () => {
    assert.equal(parseRecipe('quantize', { model: 'a.onnx', statistics: 's.json' }).data, 'none')
    assert.equal(parseRecipe('quantize', { ...given, statistics: 's.json' }).data, 'b')
  })
})
