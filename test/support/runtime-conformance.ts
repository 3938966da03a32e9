// What every Runtime must do, as tests: the same for ONNX Runtime on Node and in WebAssembly.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { TensorValue } from '../../src/base/index.ts'
import { GraphEditor, intAttr, intsAttr, type Model, Tensor } from '../../src/onnx/index.ts'
import { declareTypes } from '../../src/runtime/declare-types.ts'
import { measureLatency } from '../../src/runtime/latency.ts'
import { observeShapes } from '../../src/runtime/observe.ts'
import { type Runtime, withSession } from '../../src/runtime/session.ts'
import { typesOf } from '../../src/runtime/types.ts'
import { dilatedPool, foreignTypes, sequenceModel } from './runtime-models.ts'

/** x[N,4] -> MatMul 4->size -> Relu -> y, `layers` times in the middle. */
export function chain(size: number, layers: number, domain = ''): Model {
  const empty: Model = {
    irVersion: 8,
    opsets: new Map([['', 13], ...(domain === '' ? [] : [[domain, 1] as const])]),
    producer: 'test',
    metadata: new Map(),
    notes: [],
    graph: {
      name: 'chain',
      nodes: [],
      initializers: new Map(),
      inputs: [{ name: 'x', dtype: 'float32', shape: ['N', size] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['N', size] }],
      valueInfo: new Map(),
    },
  }
  const editor = new GraphEditor(empty)
  const weight = editor.addTensor(
    'w',
    Tensor.from('float32', [size, size], new Float32Array(size * size).fill(1 / size)),
  )
  let value = 'x'
  for (let i = 0; i < layers; i++) {
    editor.addNode({ opType: 'MatMul', inputs: [value, weight], outputs: [`m${i}`] })
    value = `m${i}`
  }
  editor.addNode({ opType: 'Relu', domain, inputs: [value], outputs: ['y'] })
  return editor.finish()
}

export const input = (rows: number, size: number): { x: TensorValue } => ({
  x: { dtype: 'float32' as const, dims: [rows, size], data: new Float32Array(rows * size).fill(1) },
})

/** The tests, for a runtime that somebody else closes. */
export function itRunsModels(runtime: Runtime): void {
  it('runs a model and gives its outputs back', async () => {
    const outputs = await withSession(runtime, chain(4, 1), {}, (session) => session.run(input(2, 4)))
    assert.deepEqual(outputs['y']?.dims, [2, 4])
    assert.deepEqual([...(outputs['y']?.data as Float32Array)], new Array(8).fill(1))
  })

  it('refuses wrong names, types and shapes, naming the input', async () => {
    await withSession(runtime, chain(4, 1), {}, async (session) => {
      await assert.rejects(session.run({ ...input(1, 4), z: input(1, 4).x }), /no input "z"; its inputs are x/)
      await assert.rejects(session.run({}), /input "x" got no value; the model expects x float32\[N,4\]/)
      await assert.rejects(session.run(input(1, 5)), /input "x" got float32\[1,5\], the model expects x float32\[N,4\]/)
    })
  })

  it('names the node, the operator and the domain that cannot be run', async () => {
    await assert.rejects(
      runtime.open(chain(4, 1, 'com.example'), { label: 'custom.onnx' }),
      /custom.onnx: node "y" is a Relu of domain com.example/,
    )
  })

  it('observes shapes and finds the batch axis', async () => {
    const shapes = await observeShapes(runtime, chain(4, 1), input(1, 4))
    assert.deepEqual(shapes.get('m0'), { dtype: 'float32', dims: [1, 4], batchAxis: 0 })
  })

  it('sees that what a sample gives depends on its company', async () => {
    const centred = new GraphEditor(chain(4, 1))
    centred.removeNode(centred.producer('y')!)
    centred.addNode({
      opType: 'ReduceMean',
      inputs: ['m0'],
      outputs: ['mean'],
      attributes: { axes: intsAttr([0]), keepdims: intAttr(1) },
    })
    centred.addNode({ opType: 'Sub', inputs: ['m0', 'mean'], outputs: ['y'] })
    const shapes = await observeShapes(runtime, centred.finish(), input(1, 4))
    assert.deepEqual(shapes.get('y'), { dtype: 'float32', dims: [1, 4], batchAxis: 0, mixed: true })
    assert.equal((await observeShapes(runtime, chain(4, 1), input(1, 4))).get('y')?.mixed, undefined)
  })

  it('runs a model made for a step without the optimiser that fails on it, and says so', async () => {
    const x: TensorValue = { dtype: 'float32', dims: [1, 1, 8, 8], data: new Float32Array(64).fill(1) }
    await assert.rejects(
      runtime.open(dilatedPool(), { label: 'd.onnx' }),
      /d\.onnx: .*dilations for operator QLinearAveragePool/,
    )
    const { y } = await withSession(runtime, dilatedPool(), { derived: 'a test' }, (session) => session.run({ x }))
    assert.deepEqual(y?.dims, [1, 1, 6, 6])
    assert.match(runtime.notes.splice(0).join(), /fails on the model as it is for a test .* runs at its level "basic"/)
  })

  it('knows the types that neither the file nor the operators tell', async () => {
    const model = await declareTypes(runtime, foreignTypes())
    assert.equal(typesOf(foreignTypes()).get('a'), undefined)
    assert.deepEqual([typesOf(model).get('a'), typesOf(model).get('y')], ['float32', 'float32'])
    const x: TensorValue = { dtype: 'uint8', dims: [1, 4], data: Uint8Array.of(1, 2, 3, 4) }
    const shapes = await observeShapes(runtime, foreignTypes(), { x })
    assert.deepEqual([shapes.get('a')?.dtype, shapes.get('a')?.dims], ['float32', [1, 4]])
  })

  it('reads the tensors of a model that also gives a sequence, and observes what is none', async () => {
    const x: TensorValue = { dtype: 'float32', dims: [1, 4], data: Float32Array.of(1, 2, 3, 4) }
    const outputs = await withSession(runtime, sequenceModel(), {}, (session) => session.run({ x }))
    assert.deepEqual(Object.keys(outputs), ['y'])
    const shapes = await observeShapes(runtime, sequenceModel(), { x })
    assert.deepEqual([shapes.get('s'), shapes.get('first')?.dims], [undefined, [1, 2]])
  })

  it('times two sessions in turn', async () => {
    await withSession(runtime, chain(4, 1), {}, (a) =>
      withSession(runtime, chain(4, 2), {}, async (b) => {
        const latencies = await measureLatency(runtime, [a, b], input(1, 4), { warmups: 1, rounds: 5, limitMs: 1000 })
        assert.deepEqual(
          latencies.map((latency) => latency.runs),
          [5, 5],
        )
        assert.ok(latencies.every((latency) => latency.medianMs > 0))
      }),
    )
  })

  it('computes the same as before with Q/DQ left as they are, and frees what was closed', async () => {
    const session = await runtime.open(chain(4, 1), { simulate: true, optimization: 'basic' })
    assert.deepEqual([session.inputs, session.outputs], [['x'], ['y']])
    assert.deepEqual([...((await session.run(input(1, 4)))['y']?.data as Float32Array)], [1, 1, 1, 1])
    await session.close()
    await assert.rejects(session.run(input(1, 4)), /ONNX Runtime failed while running the model/)
  })

  it('takes sessions that run at the same time', async () => {
    await withSession(runtime, chain(4, 1), {}, (a) =>
      withSession(runtime, chain(8, 2), {}, async (b) => {
        const [first, second, third] = await Promise.all([a.run(input(1, 4)), b.run(input(1, 8)), a.run(input(3, 4))])
        assert.deepEqual(
          [first, second, third].map((values) => values?.['y']?.dims),
          [
            [1, 4],
            [1, 8],
            [3, 4],
          ],
        )
      }),
    )
  })
}
