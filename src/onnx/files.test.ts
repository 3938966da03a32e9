import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { InputError } from '../base/index.ts'
import { makeNode } from './edit.ts'
import { filesOfModel, readModelFile, writeFileAtomic, writeModelFile } from './files.node.ts'
import { withLinkedModel } from './linked-model.node.ts'
import type { Model } from './model.ts'
import { Tensor } from './tensor.ts'
import { writeModel } from './write.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-test-'))
const outside = mkdtempSync(join(tmpdir(), 'onnxpress-outside-'))
after(() => {
  rmSync(folder, { recursive: true })
  rmSync(outside, { recursive: true })
})

const model: Model = {
  irVersion: 8,
  opsets: new Map([['', 13]]),
  producer: 'test',
  metadata: new Map(),
  notes: [],
  graph: {
    name: 'g',
    nodes: [makeNode({ opType: 'Add', inputs: ['x', 'w'], outputs: ['y'] })],
    initializers: new Map([['w', Tensor.from('float32', [4], [1, 2, 3, 4])]]),
    inputs: [{ name: 'x', dtype: 'float32', shape: [4] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: [4] }],
    valueInfo: new Map(),
  },
}

/** Writes the model with its weight said to lie in `location`. */
function withExternal(name: string, location: string, offset = 0): string {
  const path = join(folder, name)
  writeFileSync(path, writeModel(model, { minBytes: 1, add: () => ({ location, offset }) }))
  return path
}

describe('large weights in files', () => {
  const count = 2 ** 19
  const values = Float32Array.from({ length: count }, (_, i) => i)
  const large = join(folder, 'large.onnx')
  const write = (value = 0) => {
    const data = values.slice()
    data[1] = value || 1
    writeFileSync(join(folder, 'large.bin'), new Uint8Array(data.buffer))
    const w = Tensor.from('float32', [count], values)
    const graph = { ...model.graph, initializers: new Map([['w', w]]) }
    const sink = { minBytes: 1, add: () => ({ location: 'large.bin', offset: 0 }) }
    writeFileSync(large, writeModel({ ...model, graph }, sink))
  }

  it('stay there until somebody asks for them, and are what they were', async () => {
    write()
    const tensor = (await readModelFile(large)).graph.initializers.get('w')
    assert.ok(tensor?.stored)
    assert.deepEqual([tensor.byteLength, tensor.size, tensor.stored.offset], [4 * count, count, 0])
    assert.deepEqual(tensor.floats(), values)
    assert.deepEqual([...tensor.stored.read(8, 12)], [...new Uint8Array(Float32Array.of(2).buffer)])
    assert.equal(tensor.reshape([2, count / 2]).stored, tensor.stored)
  })

  it('are refused once their file has changed', async () => {
    write()
    const tensor = (await readModelFile(large)).graph.initializers.get('w')
    writeFileSync(join(folder, 'large.bin'), new Uint8Array(4 * count - 4))
    assert.throws(
      () => tensor?.bytes,
      (error) =>
        error instanceof InputError && /tensor "w" lies in "large\.bin", which has changed/.test(error.message),
    )
  })

  it('are linked for ONNX Runtime, beside what is new, and nothing is left behind', async () => {
    write(7)
    const read = await readModelFile(large)
    const fresh = Tensor.from('float32', [4], [1, 2, 3, 4])
    const big = Tensor.from('float32', [1024], new Float32Array(1024).fill(3))
    const initializers = new Map([...read.graph.initializers, ['fresh', fresh] as const, ['big', big] as const])
    const before = readdirSync(folder)
    const seen = await withLinkedModel({ ...read, graph: { ...read.graph, initializers } }, async (path) => {
      const linked = await readModelFile(path)
      const floats = (name: string) => linked.graph.initializers.get(name)?.floats()
      assert.equal(
        statSync(linked.graph.initializers.get('w')?.stored?.file ?? '').ino,
        statSync(join(folder, 'large.bin')).ino,
      )
      assert.deepEqual([floats('w')?.[1], floats('fresh')?.[3], floats('big')?.[1023]], [7, 4, 3])
      return path
    })
    assert.equal(existsSync(seen), false)
    assert.deepEqual(readdirSync(folder), before)
  })
})

describe('models on disk', () => {
  it('reads weights that lie in a file beside the model', async () => {
    writeFileSync(join(folder, 'w.bin'), new Uint8Array(Float32Array.of(0, 5, 6, 7, 8).buffer))
    const read = await readModelFile(withExternal('good.onnx', 'w.bin', 4))
    assert.deepEqual(read.graph.initializers.get('w')?.numbers(), [5, 6, 7, 8])
  })

  it('names all files that a model lies in', async () => {
    writeFileSync(join(folder, 'named.bin'), new Uint8Array(16))
    const path = withExternal('named.onnx', 'named.bin')
    assert.deepEqual(await filesOfModel(path), [path, realpathSync(join(folder, 'named.bin'))])
    await writeModelFile(model, path)
    assert.deepEqual(await filesOfModel(path), [path])
  })

  it('refuses weights outside the folder: absolute, "..", links', async () => {
    writeFileSync(join(outside, 'secret.bin'), new Uint8Array(16))
    symlinkSync(join(outside, 'secret.bin'), join(folder, 'link.bin'))
    for (const location of ['/etc/passwd', '../secret.bin', 'a/../../secret.bin', 'C:\\secret.bin', 'link.bin'])
      await assert.rejects(readModelFile(withExternal('bad.onnx', location)), /tensor "w" lies in .*(outside|leaves)/)
  })

  it('says which bytes of which file are missing', async () => {
    await assert.rejects(
      readModelFile(withExternal('short.onnx', 'w.bin', 8)),
      /bytes 8 to 24 of "w.bin", which has only 20/,
    )
    await assert.rejects(readModelFile(withExternal('gone.onnx', 'gone.bin')), /"gone.bin", which is missing/)
  })

  it('does not wait for a pipe: as a model or as its weights it is refused', async (t) => {
    try {
      execFileSync('mkfifo', [join(folder, 'pipe')], { stdio: 'ignore' })
    } catch {
      return t.skip('this system has no mkfifo')
    }
    await assert.rejects(
      readModelFile(withExternal('piped.onnx', 'pipe')),
      /tensor "w" lies in "pipe", which is not a file/,
    )
    await assert.rejects(readModelFile(join(folder, 'pipe')), /it is a pipe or a device/)
  })

  it('refuses files that are not models in one sentence', async () => {
    writeFileSync(join(folder, 'empty.onnx'), '')
    writeFileSync(join(folder, 'text.onnx'), 'this is not a model at all')
    await assert.rejects(readModelFile(join(folder, 'none.onnx')), /there is no such file/)
    await assert.rejects(readModelFile(folder), /it is a folder/)
    await assert.rejects(readModelFile(join(folder, 'empty.onnx')), /the file is empty/)
    await assert.rejects(readModelFile(join(folder, 'text.onnx')), InputError)
  })

  it('writes what it read, and leaves no temporary file', async () => {
    const path = join(folder, 'out.onnx')
    await writeModelFile(model, path)
    assert.deepEqual(writeModel(await readModelFile(path)), writeModel(model))
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.tmp')),
      [],
    )
  })

  it('leaves an existing file untouched when writing fails', async () => {
    await assert.rejects(writeFileAtomic(join(folder, 'no', 'such', 'folder.onnx'), 'x'), /cannot write/)
  })
})
