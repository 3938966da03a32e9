import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { GraphEditor, type Model, Tensor } from '../onnx/index.ts'
import { measureLatency } from './latency.ts'
import { openRuntime } from './node-runtime.node.ts'
import { observeShapes } from './observe.ts'
import { optimizedGraph } from './optimized.node.ts'
import { withSession } from './session.ts'

/** x[N,4] -> MatMul 4->size -> Relu -> y, `layers` times in the middle. */
function chain(size: number, layers: number, domain = ''): Model {
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

const input = (rows: number, size: number) => ({
  x: { dtype: 'float32' as const, dims: [rows, size], data: new Float32Array(rows * size).fill(1) },
})

/** The longest time that a 5 ms timer had to wait during three runs, in ms. */
async function longestDelay(run: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  const started = last
  for (let i = 0; i < 3; i++) await run()
  clearInterval(timer)
  assert.ok(performance.now() - started > 60, 'the model is heavy enough to notice')
  return Math.max(longest, performance.now() - last)
}

describe('ONNX Runtime in a worker', async () => {
  const runtime = await openRuntime({ threads: 1 })
  after(() => runtime.close())

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

  it('never blocks the event loop for more than 50 ms while a model runs', async () => {
    await withSession(runtime, chain(1024, 40), {}, async (session) => {
      // A run that blocked the loop would do so every time; a busy machine delays a timer now and then.
      const delays: number[] = []
      for (let attempt = 0; attempt < 3; attempt++) delays.push(await longestDelay(() => session.run(input(256, 1024))))
      assert.ok(Math.min(...delays) < 50, `blocked for ${delays.map(Math.round).join(', ')} ms`)
    })
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

  it('shows the graph that it really runs', async () => {
    const graph = (await optimizedGraph(runtime, chain(4, 1))).graph
    assert.ok(graph.nodes.length >= 1)
    assert.deepEqual(
      graph.outputs.map((output) => output.name),
      ['y'],
    )
  })
})
