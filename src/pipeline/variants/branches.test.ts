import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../../test/support/assert-near.ts'
import { withBranches } from '../../../test/support/branches.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { smallDecoder } from '../../../test/support/small-decoder.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { layersOf, type Model, makeNode, subgraphsOf } from '../../onnx/index.ts'
import { insertBlocked, plainBlocks } from '../../quantize/index.ts'
import { type Values, withSession } from '../../runtime/index.ts'
import { branchesOf, joinBranches } from './branches.ts'

const runtime = await testRuntime()
const run = (model: Model, feeds: Values) => withSession(runtime, model, {}, (session) => session.run(feeds))

const merged = smallDecoder({ behind: 'encoder', past: 'merged' })
const branches = branchesOf(merged)
assert.ok(branches)
const { parts } = branches

const floats = (dims: readonly number[], seed: number) => {
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 0.7 + seed))
  return { dtype: 'float32', dims, data } as const
}
const cache = (length: number, seed: number) => floats([1, 1, length, 32], seed)
const feeds = (cached: boolean): Values => ({
  input_ids: { dtype: 'int64', dims: [1, 2], data: BigInt64Array.of(5n, 9n) },
  encoder_attention_mask: { dtype: 'int64', dims: [1, 3], data: BigInt64Array.of(1n, 1n, 0n) },
  encoder_hidden_states: floats([1, 3, 32], 1),
  'past_key_values.0.decoder.key': cache(cached ? 4 : 0, 2),
  'past_key_values.0.decoder.value': cache(cached ? 4 : 0, 3),
  'past_key_values.0.encoder.key': cache(cached ? 3 : 0, 4),
  'past_key_values.0.encoder.value': cache(cached ? 3 : 0, 5),
  use_cache_branch: { dtype: 'bool', dims: [1], data: Uint8Array.of(cached ? 1 : 0) },
})

/** What the branches read outside. */
function captured({ graph }: Model): string[][] {
  const inner = graph.nodes.flatMap(subgraphsOf)
  return inner.map(({ nodes }) => nodes.flatMap(({ inputs }) => inputs.filter((name) => graph.initializers.has(name))))
}

describe('a merged decoder', () => {
  it('is taken apart into models that answer as its branches do', async () => {
    for (const cached of [false, true]) {
      const side = branches.sideOf(feeds(cached))
      assert.equal(side, cached ? 'then_branch' : 'else_branch')
      const whole: Values = await run(merged, feeds(cached))
      const part: Values = await run(parts[side], feeds(cached))
      for (const [name, { data }] of Object.entries(whole)) assert.deepEqual(part[name]?.data, data, name)
    }
  })

  it('is put together again, every weight once', async () => {
    const again = joinBranches(merged, parts)
    assert.ok(again)
    const bytes = ({ graph }: Model) =>
      [...graph.initializers.values()].reduce((sum, each) => sum + each.bytes.length, 0)
    assert.ok(bytes(again) <= bytes(merged), `${bytes(again)} and ${bytes(merged)} bytes`)
    for (const cached of [false, true]) {
      const before: Values = await run(merged, feeds(cached))
      const after: Values = await run(again, feeds(cached))
      for (const [name, { data }] of Object.entries(before)) assert.deepEqual(after[name]?.data, data, name)
    }
  })

  it('has codes once that both branches read, when each is quantised by its weights alone', async () => {
    const quantized = (model: Model) => {
      const layers = layersOf(model).filter(({ weight }) => weight.shape[0] === 32)
      const blocks = plainBlocks(new Map(layers.map((layer) => [layer, { block: 32, bits: 4 }])))
      return insertBlocked(model, blocks, { form: 'matmul-nbits', accuracyLevel: 0 })
    }
    const both = { then_branch: quantized(parts.then_branch), else_branch: quantized(parts.else_branch) }
    const again = joinBranches(merged, both)
    assert.ok(again)
    const [then = [], other = []] = captured(again).map((names) => names.filter((name) => /codes|weight/.test(name)))
    assert.ok(then.length > 5 && then.every((name) => other.includes(name)))
    for (const cached of [false, true]) {
      const side = branches.sideOf(feeds(cached))
      const [whole, part] = [await run(again, feeds(cached)), await run(both[side], feeds(cached))]
      assertNear(whole['logits']?.data as Float32Array, part['logits']?.data as Float32Array, 1e-5)
    }
  })

  it('is not put together of parts with other operator sets', () => {
    const newer = { ...parts.else_branch, opsets: new Map([['', 21]]) }
    assert.equal(joinBranches(merged, { ...parts, else_branch: newer }), undefined)
  })

  it('is none where a constant decides, where work is done outside, or where there is no If', () => {
    const relu = makeNode({ opType: 'Relu', name: 'r', inputs: ['x'], outputs: ['out'] })
    assert.equal(branchesOf(withBranches([relu], 'out')), undefined)
    assert.equal(branchesOf(tinyModel('x[N,4] -> Relu -> y')), undefined)
    assert.equal(branchesOf(smallDecoder({ behind: 'nothing', past: 'both' })), undefined)
  })
})
