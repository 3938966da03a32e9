import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { blockProduct, byteConvolution, floatsAround } from '../../../test/support/byte-layers.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { writeModelFile } from '../../onnx/index.node.ts'
import type { Model } from '../../onnx/index.ts'
import { type CompareRecipe, parseRecipe } from '../../recipe/index.ts'
import { openWebProcess, saturates } from '../../runtime/index.node.ts'
import { compareDeep } from './deep.node.ts'
import { compareInDepth } from './files.node.ts'
import { deepLines } from './lines.ts'
import { verifyFile } from './verify.node.ts'

const runtime = await testRuntime()
// Every comparison joins the process that is open here.
const web = openWebProcess()
const folder = mkdtempSync(join(tmpdir(), 'deep-'))
const at = (name: string) => join(folder, name)
after(async () => {
  await web?.close()
  rmSync(folder, { recursive: true })
})

/** Inputs whose codes are nearly all large. */
const loud = (dims: readonly number[]) =>
  Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => 4 + 0.8 * Math.sin(i))
const deep = (model: Model) => {
  const [input] = model.graph.inputs
  const dims = (input?.shape ?? []) as number[]
  return compareDeep(runtime, model, [{ [input?.name ?? '']: { dtype: 'float32', dims, data: loud(dims) } }])
}

describe('a file layer by layer beside its simulation', () => {
  it('finds nothing where there is nothing, in any runtime', async () => {
    const run = await deep(floatsAround(byteConvolution({ most: 40 })))
    assert.deepEqual(Object.keys(run.runtimes), [
      'onnxruntime-node',
      'onnxruntime-node, not optimised',
      'onnxruntime-web',
    ])
    assert.equal(run.layers.length, 3)
    assert.match(deepLines(run)[0] ?? '', /none differs from the simulation/)
    assert.ok(run.layers.every(({ cause, saturation }) => cause === undefined && saturation === undefined))
  })

  it('finds the layer that saturates without VNNI: on such a processor by running it, on others by its codes', async () => {
    const run = await deep(floatsAround(byteConvolution({ most: 127 })))
    const [layer, ...others] = run.layers.filter(({ saturation }) => saturation !== undefined)
    assert.deepEqual([layer?.name, layer?.nodes, others], ['conv', ['conv'], []])
    assert.ok((layer?.saturation?.steps ?? 0) > 5 && layer?.saturation?.channels.length === 8)
    assert.equal(layer?.cause, saturates() ? 'saturation' : undefined)
    assert.match(deepLines(run).join('\n'), /x64 without VNNI: store the weights as uint8 .*\n {4}Conv conv: /)
  })

  it('finds products that round what they read', async () => {
    const [rounding, exact] = [await deep(blockProduct(4)), await deep(blockProduct(1))]
    assert.deepEqual(
      [rounding, exact].map(({ layers }) => layers.map(({ cause }) => cause)),
      [['rounded-input'], [undefined]],
    )
  })
})

describe('compare --deep and verify', () => {
  const recipe = (more: Partial<CompareRecipe>) =>
    parseRecipe('compare', { model: at('loud.onnx'), other: at('loud.onnx'), data: at('x.npy'), deep: true, ...more })
  before(async () => {
    await writeModelFile(floatsAround(byteConvolution({ most: 127 })), at('loud.onnx'))
    writeFileSync(at('x.npy'), npy([1, 16, 6, 6], loud([1, 16, 6, 6])))
    writeFileSync(
      at('other.npy'),
      npy(
        [2, 16, 6, 6],
        loud([2, 16, 6, 6]).map((value) => value / 2),
      ),
    )
  })

  it('repairs the file: the same function, alike everywhere', async () => {
    const { deep: run } = await compareInDepth(runtime, recipe({ repair: at('fixed.onnx') }))
    assert.deepEqual(run?.repaired, { output: at('fixed.onnx'), layers: ['conv'], still: [] })
    const again = await compareInDepth(runtime, recipe({ other: at('fixed.onnx'), repair: at('none.onnx') }))
    assert.equal(again.comparison.sqnrDb['result'], null, 'with exact products both give the same')
    assert.ok(again.notes.includes('there was nothing to repair'))
    assert.equal(again.deep?.repaired, undefined)
  })

  it('writes a proof that holds where it was made, and not where figures are worse', async () => {
    const { proof = '' } = await compareInDepth(runtime, recipe({ proof: true }))
    assert.equal(proof, at('loud.proof.json'))
    const own = await verifyFile(runtime, parseRecipe('verify', { model: at('loud.onnx') }))
    assert.deepEqual([own.holds, own.notes, own.figures.length], [true, [], 6])
    const written = JSON.parse(readFileSync(proof, 'utf8'))
    assert.equal(Object.keys(written.runtimes).length, 3)
    // The proof of a machine on which nothing saturates, or of one that has another runtime.
    written.runtimes['onnxruntime-node'] = { version: '1.0.0', sqnrDb: { result: 90 }, differing: [] }
    written.runtimes['onnxruntime-rust'] = { version: '1', sqnrDb: {}, differing: [] }
    writeFileSync(proof, JSON.stringify(written))
    const there = await verifyFile(runtime, parseRecipe('verify', { model: proof }))
    assert.equal(there.holds, !saturates())
    assert.deepEqual(there.differing, saturates() ? { 'onnxruntime-node': ['conv'] } : {})
    assert.match(there.notes.join('\n'), /was 1\.0\.0[\s\S]*onnxruntime-rust is not installed here/)
  })

  it('takes no other file, no other samples, and nothing that is not a proof', async () => {
    const verified = (model: string, data?: string) =>
      verifyFile(runtime, parseRecipe('verify', { model, ...(data === undefined ? {} : { data }) }))
    await assert.rejects(verified(at('loud.onnx'), at('other.npy')), /samples of .* are not those of the proof/)
    await assert.rejects(verified(at('none.onnx')), /there is no such file; compare --deep --proof writes it/)
    await writeModelFile(floatsAround(byteConvolution({ most: 60 })), at('loud.onnx'))
    await assert.rejects(verified(at('loud.onnx')), /is the proof of another file/)
    writeFileSync(at('loud.proof.json'), '{"kind":"onnxpress proof"}')
    await assert.rejects(verified(at('loud.onnx')), /"version" is not what a proof/)
    await assert.rejects(compareInDepth(runtime, recipe({ deep: false, proof: true })), /--proof needs --deep/)
  })
})

/** An array of float32 as NumPy writes it. */
function npy(dims: readonly number[], data: Float32Array): Uint8Array {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dims.join(', ')}), }`
  const header = text.padEnd(118 - 1).slice(0, 117)
  const bytes = new Uint8Array(128 + data.byteLength)
  bytes.set([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0])
  bytes.set(Buffer.from(`${header}\n`), 10)
  bytes.set(new Uint8Array(data.buffer), 128)
  return bytes
}
