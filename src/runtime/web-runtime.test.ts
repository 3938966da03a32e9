import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as ort from 'onnxruntime-web'
import { chain, input, itRunsModels } from '../../test/support/runtime-conformance.ts'
import { withSession } from './session.ts'
import { webRuntime } from './web-runtime.ts'

describe('ONNX Runtime in WebAssembly', () => {
  const runtime = webRuntime(ort)

  itRunsModels(runtime)

  it('is the version that Node runs', async () => {
    const { createRequire } = await import('node:module')
    const node = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }
    assert.equal(runtime.version, node.version)
  })

  it('says that it has no file for the optimised graph', async () => {
    await assert.rejects(runtime.open(chain(4, 1), { optimizedPath: 'x.onnx' }), /the fusion lint runs on Node alone/)
  })

  it('lets messages through while it computes run after run', async () => {
    let heard = 0
    const timer = setInterval(() => heard++, 1)
    await withSession(runtime, chain(256, 8), {}, async (session) => {
      const started = performance.now()
      while (performance.now() - started < 300) await session.run(input(64, 256))
    })
    clearInterval(timer)
    assert.ok(heard >= 3, `${heard} timers in 300 ms`)
  })
})
