import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { chain, input, itRunsModels } from '../../test/support/runtime-conformance.ts'
import { intAttr, makeModel, makeNode, Tensor } from '../onnx/index.ts'
import { saturates } from './environment.node.ts'
import { openRuntime } from './node-runtime.node.ts'
import { optimizedGraph } from './optimized.node.ts'
import { withSession } from './session.ts'

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

  itRunsModels(runtime)

  it('multiplies bytes exactly, on CPUs without VNNI too', async () => {
    const constants = {
      step: Tensor.from('float32', [], [1 / 255]),
      zero: Tensor.from('uint8', [], [0]),
      weight: Tensor.from('int8', [64, 4], new Int8Array(256).fill(127)),
      unit: Tensor.from('float32', [], [1 / 127]),
      none: Tensor.from('int8', [], [0]),
      wide: Tensor.from('float32', [], [64 / 255]),
    }
    const steps: readonly (readonly [string, readonly string[], string])[] = [
      ['QuantizeLinear', ['x', 'step', 'zero'], 'xq'],
      ['DequantizeLinear', ['xq', 'step', 'zero'], 'xd'],
      ['DequantizeLinear', ['weight', 'unit', 'none'], 'wd'],
      ['MatMul', ['xd', 'wd'], 'm'],
      ['QuantizeLinear', ['m', 'wide', 'zero'], 'mq'],
      ['DequantizeLinear', ['mq', 'wide', 'zero'], 'y'],
    ]
    const model = makeModel({
      name: 'bytes',
      inputs: [{ name: 'x', dtype: 'float32', shape: [1, 64] }],
      outputs: [{ name: 'y', dtype: 'float32' }],
      nodes: steps.map(([opType, inputs, output]) => makeNode({ opType, inputs: [...inputs], outputs: [output] })),
      initializers: constants,
    })
    const x = { dtype: 'float32' as const, dims: [1, 64], data: new Float32Array(64).fill(1) }
    const { y } = await withSession(runtime, model, {}, (session) => session.run({ x }))
    for (const value of y?.data ?? []) assert.ok(Math.abs(Number(value) - 64) < 0.3, `${value} instead of 64`)
  })

  it('loads layers that share their codes, each of which it rewrites', async () => {
    const steps: readonly (readonly [string, readonly string[], string])[] = ['a', 'b'].flatMap((name, index) => [
      ['DequantizeLinear', ['weight', 'unit', 'none'], `${name}w`] as const,
      ['Conv', [index === 0 ? 'xd' : 'ad', `${name}w`], `${name}y`] as const,
      ['QuantizeLinear', [`${name}y`, 'step', 'zero'], `${name}q`] as const,
      ['DequantizeLinear', [`${name}q`, 'step', 'zero'], `${name}d`] as const,
    ])
    const model = makeModel({
      name: 'shared',
      inputs: [{ name: 'x', dtype: 'float32', shape: [1, 4, 5, 5] }],
      outputs: [{ name: 'bd', dtype: 'float32' }],
      nodes: [
        makeNode({ opType: 'QuantizeLinear', inputs: ['x', 'step', 'zero'], outputs: ['xq'] }),
        makeNode({ opType: 'DequantizeLinear', inputs: ['xq', 'step', 'zero'], outputs: ['xd'] }),
        ...steps.map(([opType, inputs, output]) =>
          makeNode({
            opType,
            inputs: [...inputs],
            outputs: [output],
            attributes: inputs[0] === 'weight' ? { axis: intAttr(0) } : {},
          }),
        ),
      ],
      initializers: {
        step: Tensor.from('float32', [], [0.01]),
        zero: Tensor.from('uint8', [], [0]),
        weight: Tensor.from('int8', [4, 4, 1, 1], new Int8Array(16).fill(100)),
        unit: Tensor.from('float32', [4], [0.0025, 0.0025, 0.0025, 0.0025]),
        none: Tensor.from('int8', [4], [0, 0, 0, 0]),
      },
    })
    const x = { dtype: 'float32' as const, dims: [1, 4, 5, 5], data: new Float32Array(100).fill(0.5) }
    const { bd } = await withSession(runtime, model, {}, (session) => session.run({ x }))
    for (const value of bd?.data ?? []) assert.ok(Math.abs(Number(value) - 0.5) < 0.02, `${value} instead of 0.5`)
  })

  it('refuses to read an output of half a byte, which would end the process', async () => {
    const codes = { name: 'y', dtype: 'int4', shape: [4] } as const
    const model = makeModel({
      name: 'packed',
      inputs: [{ name: 'x', dtype: 'float32', shape: [4] }],
      outputs: [codes],
      nodes: [
        makeNode({ opType: 'Cast', inputs: ['x'], outputs: ['y'], attributes: { to: { type: 'int', value: 22n } } }),
      ],
    })
    const feeds = { x: { dtype: 'float32' as const, dims: [4], data: new Float32Array(4) } }
    const wide = { ...model, irVersion: 10, opsets: new Map([['', 21]]) }
    await withSession(runtime, wide, {}, (session) =>
      assert.rejects(session.run(feeds), /output "y" is of type int4, which cannot be read/),
    )
  })

  it('knows the CPUs whose byte products saturate by default', () => {
    assert.equal(saturates(['avx2'], 'x64'), true)
    assert.equal(saturates(['avx2', 'avx512f'], 'x64'), true)
    assert.equal(saturates(['avx2', 'avx_vnni'], 'x64'), false)
    assert.equal(saturates(['avx512f', 'avx512_vnni'], 'x64'), false)
    assert.equal(saturates(['asimddp'], 'arm64'), false)
    assert.equal(saturates([], 'x64'), false)
  })

  it('never blocks the event loop for more than 50 ms while a model runs', async () => {
    await withSession(runtime, chain(1024, 40), {}, async (session) => {
      // A run that blocked the loop would do so every time; a busy machine delays a timer now and then.
      const delays: number[] = []
      do delays.push(await longestDelay(() => session.run(input(256, 1024))))
      while (Math.min(...delays) >= 50 && delays.length < 10)
      assert.ok(Math.min(...delays) < 50, `blocked for ${delays.map(Math.round).join(', ')} ms`)
    })
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
