import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, describe, it } from 'node:test'
import { chain, input } from '../../test/support/runtime-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { UnsupportedError } from '../base/index.ts'
import { makeNode } from '../onnx/index.ts'
import { profileKernels } from './profile.node.ts'
import { withSession } from './session.ts'
import { openWebProcess } from './web-process.node.ts'

/** The processes of this one. */
const children = () =>
  execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('web-worker'))
    .map((line) => Number.parseInt(line, 10))

describe('ONNX Runtime in WebAssembly, in a process of its own', { skip: process.platform === 'win32' }, () => {
  const opened = openWebProcess()
  assert.ok(opened)
  const runtime = opened
  after(() => runtime.close())

  it('runs and times models', async () => {
    await withSession(runtime, chain(8, 2), {}, async (session) => {
      const feeds = input(2, 8)
      const [first] = Object.values(await session.run(feeds))
      assert.ok(first?.data instanceof Float32Array && first.data.length > 0)
      const { milliseconds } = await runtime.time([session], [feeds], { warmups: 1, rounds: 3, limitMs: 1000 })
      assert.equal(milliseconds[0]?.length, 3)
    })
  })

  it('tells how long each kernel takes', async () => {
    const model = chain(8, 3)
    const kernels = await profileKernels(runtime, model, input(2, 8), { warmups: 1, rounds: 4 })
    const known = new Set(model.graph.nodes.map(({ opType }) => opType))
    assert.ok(kernels.length > 0)
    for (const { op, milliseconds } of kernels) assert.ok(known.has(op) && milliseconds >= 0, op)
  })

  it('says why a model does not load', async () => {
    const model = tinyModel('x[N,4] -> Relu -> y')
    const odd = { ...model.graph, nodes: [makeNode({ opType: 'Odd', name: 'odd', inputs: ['x'], outputs: ['y'] })] }
    await assert.rejects(runtime.open({ ...model, graph: odd }), (error) => {
      assert.ok(error instanceof UnsupportedError)
      assert.match(error.message, /Odd/)
      return true
    })
  })

  it('outlives its process: what was asked fails, and the next model starts another one', async () => {
    const session = await runtime.open(chain(8, 2))
    const [child] = children()
    assert.ok(child)
    process.kill(child, 'SIGKILL')
    await assert.rejects(session.run(input(2, 8)), /the process of onnxruntime-web ended|session was closed/)
    await withSession(runtime, chain(8, 2), {}, (again) => again.run(input(2, 8)))
  })

  it('is one process for all who have it open, which stays until the last one closes it', async () => {
    const other = openWebProcess()
    assert.ok(other)
    await withSession(other, chain(8, 2), {}, (session) => session.run(input(2, 8)))
    assert.equal(children().length, 1)
    await other.close()
    await other.close()
    assert.equal(children().length, 1)
    await withSession(runtime, chain(8, 2), {}, (session) => session.run(input(2, 8)))
  })

  it('leaves no process behind', async () => {
    await runtime.close()
    assert.deepEqual(children(), [])
  })
})
