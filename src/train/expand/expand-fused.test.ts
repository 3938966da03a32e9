import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertGradients } from '../../../test/support/gradient-check.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { sumOfOutput } from '../../../test/support/sum-of-output.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TensorValue } from '../../base/index.ts'
import { type Model, Tensor } from '../../onnx/index.ts'
import { loraTrainableModel } from '../lora/lora-trainable-model.ts'
import { floatTrainableModel } from '../trainable-model.ts'
import { CONTRIBUTED } from './fused.ts'

const own = /^(Gelu|BiasGelu|FastGelu|QuickGelu|Skip|Embed|MultiHead|GroupQuery|FusedMatMul|Ms)/

/** Fused operators by what they show; int64 lists become int32 behind "i32". */
const drawings: Readonly<Record<string, string>> = {
  'Gelu, QuickGelu': 'x[2,5] -> Gelu -> QuickGelu alpha=1.5 -> y',
  'BiasGelu, FastGelu': 'x[2,5] -> BiasGelu floats[5] -> a; a -> FastGelu floats[5] -> y',
  'FusedMatMul, transposed': 'x[2,3,5] -> FusedMatMul floats[2,4,5] transB=1 alpha=0.5 -> y',
  SkipLayerNormalization: 'x[2,3,8] -> Sin -> s; x -> SkipLayerNormalization =s floats[8] floats[8] floats[8] -> y',
  'SkipSimplifiedLayerNormalization, its sum read':
    'x[2,3,8] -> Sin -> s; x -> SkipSimplifiedLayerNormalization =s floats[8] = and: and: and:t -> n; n -> Add =t -> y',
  SimplifiedLayerNormalization: 'x[2,3,8] -> SimplifiedLayerNormalization floats[8] -> y',
  'Attention of BERT': 'x[2,3,8] -> MsAttention floats[8,24] floats[24] num_heads=2 -> y',
  'Attention, causal, its keys counted':
    'x[2,3,8] -> MsAttention floats[8,24] floats[24] i32(3,2) num_heads=2 unidirectional=1 -> y',
  MultiHeadAttention: 'x[2,3,8] -> Sin -> k; k -> Cos -> v; x -> MultiHeadAttention =k =v floats[24] num_heads=2 -> y',
  'RotaryEmbedding, halves': 'x[2,3,8] -> MsRotaryEmbedding ints(0) floats[5,2] floats[5,2] -> y',
  'RotaryEmbedding, interleaved heads':
    'x[2,3,4,8] -> MsRotaryEmbedding ints(1) floats[5,4] floats[5,4] interleaved=1 -> y',
  'GroupQueryAttention, rotary':
    'x[2,3,64] -> Sin -> Slice ints(0) ints(32) ints(2) -> k; k -> Cos -> v; x -> GroupQueryAttention =k =v = = i32(2,2) i32(3) floats[4,8] floats[4,8] num_heads=4 kv_num_heads=2 do_rotary=1 and:pk and:pv -> y',
}

/** Operators of opset 23. */
const newest: Readonly<Record<string, string>> = {
  RMSNormalization: 'x[2,3,8] -> RMSNormalization floats[8] -> y',
  'RotaryEmbedding, part of a head':
    'x[2,2,3,8] -> RotaryEmbedding floats[2,3,2] floats[2,3,2] = rotary_embedding_dim=4 -> y',
  'Attention, causal, grouped':
    'x[2,3,16] -> Slice ints(0) ints(8) ints(2) -> k; k -> Sin -> v; x -> Attention =k =v q_num_heads=4 kv_num_heads=2 is_causal=1 -> y',
}

/** A drawing with "Ms…" and ONNX Runtime's own names in its domain, and lists of int32. */
function fused(drawing: string, opset = 18): Model {
  const model = tinyModel(drawing.replace(/i32\(([\d,]+)\)/g, 'ints($1)'), { opset })
  model.opsets.set(CONTRIBUTED, 1)
  const lists = [...drawing.matchAll(/i32\(([\d,]+)\)/g)].map(([, list]) => list)
  for (const [i, node] of model.graph.nodes.entries()) {
    const fusedOp = opset === 18 && own.test(node.opType)
    const named = node.opType.replace(/^Ms/, '')
    model.graph.nodes[i] = { ...node, opType: named, domain: fusedOp ? CONTRIBUTED : '' }
    for (const input of node.inputs) {
      const list = fusedOp ? model.graph.initializers.get(input) : undefined
      if (list?.dtype === 'int64' && lists.includes(list.numbers().join()))
        model.graph.initializers.set(input, Tensor.from('int32', list.size > 1 ? [list.size] : [], list.numbers()))
    }
  }
  return model
}

const sample: { x: TensorValue } = {
  x: { dtype: 'float32', dims: [1, 3, 8], data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)) },
}

describe('fused operators, written out, are what they were, and their gradients agree with central differences', () => {
  for (const [what, drawing] of Object.entries(drawings))
    it(what, async () => assertGradients(await testRuntime(), fused(drawing)))
  for (const [what, drawing] of Object.entries(newest))
    it(`${what}, opset 23`, async () => assertGradients(await testRuntime(), fused(drawing, 23)))
})

describe('a graph of fixed sizes', () => {
  it('has slices at places that follow from them: rotary embeddings as exporters write them', async () => {
    const halves =
      'x[N,3,8] -> Shape -> s; s -> Gather ints(2) -> d; d -> Div ints(2) -> half; x -> MatMul 8->8 -> m; m -> Slice ints(0) =half ints(2) -> a; m -> Slice =half ints(9999) ints(2) -> b; b -> Neg -> c; c -> Concat =a axis=2 -> y'
    const options = { train: 'all', batch: 2, batchNorm: 'frozen', loss: [sumOfOutput] } as const
    const { graph } = await floatTrainableModel(await testRuntime(), tinyModel(halves), sample, options)
    assert.equal(graph.parameters.length, 1)
  })
})

describe('a model with fused operators', () => {
  const drawing =
    'x[N,3,8] -> MsAttention floats[8,24] floats[24] num_heads=2 -> a; a -> MatMul 8->6 -> FastGelu floats[6] -> y'

  it('is trained by its own weights and written with its own operators', async () => {
    const options = { train: 'all', batch: 2, batchNorm: 'frozen', loss: [sumOfOutput] } as const
    const { graph, initial, exported } = await floatTrainableModel(await testRuntime(), fused(drawing), sample, options)
    assert.deepEqual(
      graph.parameters.map(({ dims }) => dims),
      [[8, 24], [24], [8, 6], [6]],
    )
    const ops = exported(initial).graph.nodes.map(({ opType }) => opType)
    assert.deepEqual(ops, ['Attention', 'MatMul', 'FastGelu'])
  })

  it('takes adapters of the products inside', async () => {
    const options = { rank: 2, seed: 0, batch: 2, loss: [sumOfOutput] }
    const { adapters } = await loraTrainableModel(await testRuntime(), fused(drawing), sample, options)
    const names = adapters.map(({ layers }) => layers[0]?.name.replace(/_v\d+$/, ''))
    assert.deepEqual(names, ['MsAttention_a', 'MatMul'])
  })

  it('is refused where one cannot be written out, with node and reason', async () => {
    const past =
      'x[N,3,8] -> MatMul 8->8 -> m; m -> MsAttention floats[8,24] floats[24] = floats[2,1,2,1,4] num_heads=2 and:p -> a'
    const options = { train: 'all', batch: 1, batchNorm: 'frozen', loss: [sumOfOutput] } as const
    await assert.rejects(
      floatTrainableModel(await testRuntime(), fused(past), sample, options),
      /node "MsAttention_a" is an Attention, which has no gradient \(it continues from keys and values of the past\)/,
    )
  })
})
