import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { chain, input, itRunsModels } from './conformance.node.ts'
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

  it('never blocks the event loop for more than 50 ms while a model runs', async () => {
    await withSession(runtime, chain(1024, 40), {}, async (session) => {
      // A run that blocked the loop would do so every time; a busy machine delays a timer now and then.
      const delays: number[] = []
      for (let attempt = 0; attempt < 3; attempt++) delays.push(await longestDelay(() => session.run(input(256, 1024))))
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
