import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { piecesOf } from '../onnx/index.ts'
import { sessionInPieces } from './in-pieces.ts'
import { openRuntime } from './index.node.ts'
import { withSession } from './session.ts'

const runtime = await openRuntime({ threads: 1 })
after(() => runtime.close())

describe('a session in pieces', () => {
  it('gives what the whole model gives, and keeps what the caller fed', async () => {
    const model = tinyModel(
      'x[N,512] -> MatMul 512->1024 -> a; a -> Relu -> MatMul 1024->1024 -> b; b,a -> Add -> MatMul 1024->512 -> y',
    )
    const pieces = piecesOf(model, 2 ** 21)
    assert.ok(pieces && pieces.length > 1)
    const session = sessionInPieces(model, pieces, (piece) => runtime.open(piece, { once: true }))
    const x = {
      dtype: 'float32',
      dims: [2, 512],
      data: Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i)),
    } as const
    const whole = await withSession(runtime, model, {}, (one) => one.run({ x }))
    for (let round = 0; round < 2; round++) {
      const { y } = await session.run({ x })
      assert.deepEqual(y?.dims, [2, 512])
      const [a, b] = [whole['y']?.data as Float32Array, y?.data as Float32Array]
      assert.ok(a.every((value, i) => Math.abs(value - (b[i] ?? 0)) <= 1e-4 * (1 + Math.abs(value))))
    }
    assert.deepEqual([session.inputs, session.outputs, session.pieces], [['x'], ['y'], pieces.length])
  })
})
