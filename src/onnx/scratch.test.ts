import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { readModelFile, withScratch, writeModelFile } from './index.node.ts'
import { Tensor, writeModel } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'onnxpress-scratch-'))
after(() => rmSync(folder, { recursive: true }))

const count = 2 ** 19
const ramp = () => Float32Array.from({ length: count }, (_, i) => i)
const model = tinyModel('x[1,4] -> Gemm 4->3 -> y')

describe('tensors that are made on demand', () => {
  it('are made once and lie in a scratch file that is gone afterwards', async () => {
    let made = 0
    const tensor = Tensor.onDemand('float32', [count], () => {
      made++
      return ramp()
    })
    const given = {
      ...model,
      graph: {
        ...model.graph,
        initializers: new Map([
          ['a', tensor],
          ['b', tensor],
        ]),
      },
    }
    const stored = await withScratch(folder, async (settle) => {
      const settled = await settle(given)
      const [a, b] = [settled.graph.initializers.get('a'), (await settle(given)).graph.initializers.get('b')]
      assert.equal(a, b)
      assert.deepEqual(a?.floats(), ramp())
      return a?.stored?.file ?? ''
    })
    assert.deepEqual([made, existsSync(stored), readdirSync(folder)], [1, false, []])
  })

  it('are written like any other', async () => {
    const of = (tensor: Tensor) => ({ ...model, graph: { ...model.graph, initializers: new Map([['w', tensor]]) } })
    const path = join(folder, 'made.onnx')
    await writeModelFile(of(Tensor.onDemand('float32', [count], ramp)), path)
    assert.deepEqual(writeModel(await readModelFile(path)), writeModel(of(Tensor.from('float32', [count], ramp()))))
    rmSync(path)
  })
})

describe('weights in a data file', () => {
  it('go there when somebody says so, one file, pages for long ones, and come back inside', async () => {
    const path = join(folder, 'out.onnx')
    const graph = {
      ...model.graph,
      initializers: new Map([...model.graph.initializers, ['w', Tensor.from('float32', [count], ramp())] as const]),
    }
    const given = { ...model, graph }
    const size = await writeModelFile(given, path, { externalData: 'all' })
    assert.deepEqual(readdirSync(folder).sort(), ['out.onnx', 'out.onnx.data'])
    const read = await readModelFile(path)
    const place = read.graph.initializers.get('w')?.stored
    assert.equal((place?.offset ?? 1) % 4096, 0)
    assert.ok(size > 4 * count)
    const inside = join(folder, 'inside.onnx')
    await writeModelFile(read, inside, { externalData: 'none' })
    assert.deepEqual(writeModel(await readModelFile(inside)), writeModel(given))
    await writeModelFile(given, join(folder, 'few.onnx'), { externalData: 8 * count })
    assert.equal(existsSync(join(folder, 'few.onnx.data')), false)
  })

  it('leave nothing behind when one of them cannot be made', async () => {
    const before = readdirSync(folder)
    const broken = Tensor.onDemand('float32', [count], () => {
      throw new Error('no such weight')
    })
    const given = { ...model, graph: { ...model.graph, initializers: new Map([['w', broken]]) } }
    for (const externalData of ['all', 'none'] as const)
      await assert.rejects(
        writeModelFile(given, join(folder, 'bad.onnx'), { externalData }),
        /cannot write .*no such weight/,
      )
    assert.deepEqual(readdirSync(folder), before)
  })
})
