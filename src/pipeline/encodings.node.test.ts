import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { InputError, UsageError } from '../base/index.ts'
import { layersOf, readModel, writeModel } from '../onnx/index.ts'
import { encodingVersions } from '../quantize/index.ts'
import { encodingForms, parseRecipe } from '../recipe/index.ts'
import { quantizeFile } from './quantize.node.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-encodings-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string) => join(folder, name)
const model = at('model.onnx')
const drawn = tinyModel(
  'x[2,3,8,8] -> Conv 3x3 3->8 -> BatchNormalization 8 -> Relu -> a; a -> Conv 3x3 8->8 group=8 -> Relu -> b; b -> Flatten -> Gemm 128->4 -> y',
)
writeFileSync(model, writeModel(drawn))

const quantized = async (more: Record<string, unknown>) =>
  quantizeFile(await testRuntime(), parseRecipe('quantize', { model, force: true, ...more }))

describe('encodings beside a model', () => {
  it('have the words of the recipe', () => {
    assert.deepEqual([...encodingForms], Object.keys(encodingVersions))
  })

  for (const encodings of encodingForms)
    it(`make the same file again, byte for byte, with the float model that lies beside them (${encodings})`, async () => {
      const output = at(`${encodings}.onnx`)
      const run = await quantized({
        data: 'random',
        techniques: ['equalize', 'correct-bias'],
        keep: 'always',
        output,
        encodings,
      })
      assert.deepEqual(run.encodings, {
        file: at(`${encodings}.encodings.json`),
        model: at(`${encodings}.encodings.onnx`),
      })
      const json = JSON.parse(readFileSync(run.encodings.file, 'utf8'))
      assert.equal(json.version, encodingVersions[encodings])
      const float = readModel(readFileSync(run.encodings.model))
      // Names are those of the model that came, though BatchNormalization was folded.
      for (const layer of layersOf(float)) {
        const given = drawn.graph.nodes.find(({ name }) => name === layer.name)
        assert.equal(layer.node.inputs[1], given?.inputs[1])
      }
      const again = at(`${encodings}.again.onnx`)
      const second = await quantized({ model: run.encodings.model, encodingsFrom: run.encodings.file, output: again })
      assert.equal(second.measured, false)
      assert.match(second.notes.join('\n'), /grids come from the encodings .*, without a sample/)
      const grids = (path: string) =>
        [...readModel(readFileSync(path)).graph.initializers].map(([name, { bytes }]) => [
          name,
          Buffer.from(bytes).toString('hex'),
        ])
      assert.deepEqual(grids(again).sort(), grids(output).sort())
    })

  it('are measured where there are samples, and techniques are not tried', async () => {
    const output = at('measured.onnx')
    const { encodings } = await quantized({ data: 'random', output: at('m.onnx'), encodings: 'aimet', effort: 'fast' })
    assert.ok(encodings)
    const run = await quantized({ model: encodings.model, data: 'random', encodingsFrom: encodings.file, output })
    assert.equal(run.measured, true)
    assert.deepEqual(
      run.ladder?.map(({ name }) => name),
      ['naive'],
    )
  })

  const cases: readonly (readonly [string, Record<string, unknown>, typeof UsageError | typeof InputError, RegExp])[] =
    [
      [
        'another mode',
        { mode: 'weights', encodings: 'aimet' },
        UsageError,
        /--encodings aimet is about grids of values/,
      ],
      [
        'a technique that changes them',
        { encodingsFrom: { version: '2.0.0', encodings: [] }, techniques: ['equalize'] },
        UsageError,
        /equalize would change them/,
      ],
      ['stored statistics beside them', { encodingsFrom: model, statistics: {} }, UsageError, /give one of them/],
      [
        'a file that is missing',
        { encodingsFrom: at('none.json') },
        InputError,
        /cannot read the encodings .*none\.json: the file is missing/,
      ],
    ]
  for (const [what, more, error, message] of cases)
    it(`are refused with ${what}, and nothing is left`, async () => {
      const output = at('refused.onnx')
      await assert.rejects(
        quantized({ data: 'none', ...more, output }),
        (thrown) => thrown instanceof error && message.test(thrown.message),
      )
      assert.equal(existsSync(output) || existsSync(at('refused.encodings.json')), false)
    })
})
