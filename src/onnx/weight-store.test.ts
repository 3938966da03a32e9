import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { makeNode } from './edit.ts'
import { readModelFile } from './files.node.ts'
import { type Model, makeModel } from './index.ts'
import { Tensor } from './tensor.ts'
import { WeightStore } from './weight-store.node.ts'
import { encodedLength, writeModel } from './write.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-test-'))
after(() => rmSync(folder, { recursive: true }))

/** Floats that take so many bytes. */
const floats = (bytes: number, start: number) =>
  Tensor.from(
    'float32',
    [bytes / 4],
    Float32Array.from({ length: bytes / 4 }, (_, i) => start + i),
  )

/** A model with 20 MB in two large tensors, and one small tensor. */
function large(first = floats(12e6, 0)): Model {
  const model = makeModel({
    name: 'large',
    inputs: [{ name: 'x', dtype: 'float32', shape: [1] }],
    outputs: [{ name: 'y', dtype: 'float32' }],
    nodes: [makeNode({ opType: 'Mul', name: 'm', inputs: ['x', 'small'], outputs: ['y'] })],
  })
  for (const [name, tensor] of [
    ['a', first],
    ['small', floats(16, 7)],
    ['b', floats(8e6, 1)],
  ] as const)
    model.graph.initializers.set(name, tensor)
  return model
}

const bytesOf = (model: Model) => [...model.graph.initializers.values()].map(({ bytes }) => Buffer.from(bytes))

describe('a large model file', () => {
  const path = join(folder, 'large.onnx')
  writeFileSync(path, writeModel(large()))

  it('is read without its large tensors, which are read when somebody asks', async () => {
    const model = await readModelFile(path)
    const stored = [...model.graph.initializers].map(([name, tensor]) => [name, tensor.stored !== undefined])
    assert.deepEqual(Object.fromEntries(stored), { a: true, small: false, b: true })
    assert.deepEqual(bytesOf(model), bytesOf(large()))
    assert.deepEqual(Buffer.compare(writeModel(model), readFileSync(path)), 0)
  })

  it('has the length that it says, with and without tensors in memory', async () => {
    for (const model of [large(), await readModelFile(path)]) assert.equal(encodedLength(model), statSync(path).size)
  })

  it('keeps a tensor that looks like the mark of another', async () => {
    const odd = new TextEncoder().encode('onnxpress tensor\0\0\0\0')
    const model = large()
    model.graph.initializers.set('odd', new Tensor('uint8', [odd.length], odd))
    const other = join(folder, 'odd.onnx')
    writeFileSync(other, writeModel(model))
    assert.deepEqual((await readModelFile(other)).graph.initializers.get('odd')?.bytes, odd)
  })

  it('is refused when it changes while it is used', async () => {
    const own = join(folder, 'changes.onnx')
    writeFileSync(own, writeModel(large()))
    const model = await readModelFile(own)
    writeFileSync(own, 'something else')
    assert.throws(() => model.graph.initializers.get('a')?.bytes, /has changed since the model was read; run it again/)
  })

  it('that is cut off is no model', async () => {
    const own = join(folder, 'short.onnx')
    writeFileSync(own, writeModel(large()).subarray(0, 19e6))
    await assert.rejects(readModelFile(own), /short\.onnx: it is not an ONNX model, or it is damaged/)
  })
})

describe('the store of weights', () => {
  it('writes a tensor once for all models that share it, and gives its bytes back', () => {
    const store = new WeightStore()
    const first = floats(12e6, 0)
    const [one, two] = [store.stow(large(first)), store.stow(large(first))]
    assert.equal(one.graph.initializers.get('a'), two.graph.initializers.get('a'))
    assert.deepEqual(bytesOf(one), bytesOf(large()))
    assert.equal(store.stow(one).graph.initializers.get('b'), one.graph.initializers.get('b'))
    const at = dirname(one.graph.initializers.get('a')?.stored?.file ?? '')
    const sizes = readdirSync(at).map((name) => statSync(join(at, name)).size)
    assert.deepEqual(
      sizes.sort((a, b) => b - a).map((size) => Math.floor(size / 1e6)),
      [20, 8],
    )
    store.close()
    assert.equal(existsSync(at), false)
  })

  it('makes a small file beside the tensors, which is a model of the same constants', async () => {
    const store = new WeightStore()
    const file = store.file(large())
    assert.ok(file)
    assert.ok(statSync(file.path).size < 2000)
    assert.deepEqual(bytesOf(await readModelFile(file.path)), bytesOf(large()))
    file.remove()
    assert.equal(existsSync(file.path), false)
    store.close()
  })

  it('leaves small models in memory, and all of them where no file can be written', () => {
    const store = new WeightStore()
    const small = makeModel({ name: 'small', inputs: [], outputs: [] })
    assert.equal(store.stow(small), small)
    const before = process.env['TMPDIR']
    process.env['TMPDIR'] = join(folder, 'missing')
    try {
      const model = large()
      assert.equal(store.stow(model), model)
      assert.equal(store.file(model), undefined)
    } finally {
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
    }
  })
})
