import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { assertGradients } from '../../../test/support/gradient-check.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { type Attribute, intAttr, type Model, makeModel, makeNode, stringAttr, Tensor } from '../../onnx/index.ts'
import { openRuntime } from '../../runtime/index.node.ts'
import type { Runtime } from '../../runtime/index.ts'
import { gradientRules } from './index.ts'

let runtime: Promise<Runtime> | undefined
after(async () => (await runtime)?.close())

/** Drawings by what they show; every float input and constant is differentiated along a random direction. */
const drawings: Readonly<Record<string, string>> = {
  'Conv, stride 1, 8 channels: flipped, unfolded': 'x[2,8,6,6] -> Conv 3x3 8->5 pads=1,1,1,1 -> y',
  'Conv, flipped with negative pads': 'x[2,8,6,6] -> Conv 1x1 8->9 pads=1,1,1,1 -> y',
  'Conv, dilated, asymmetric': 'x[2,8,7,9] -> Conv 3x2 8->4 dilations=2,1 pads=1,0,2,1 -> y',
  'Conv, stride 2, unreached rows': 'x[2,16,8,7] -> Conv 3x3 16->4 strides=2,2 -> y',
  'Conv, 1x1 stride 2': 'x[2,8,5,5] -> Conv 1x1 8->6 strides=2,2 -> y',
  'Conv, 1x1': 'x[2,8,5,4] -> Conv 1x1 8->6 -> y',
  'Conv, depthwise': 'x[2,8,6,6] -> Conv 3x3 8->8 group=8 pads=1,1,1,1 -> y',
  'Conv, depthwise on a small map': 'x[2,8,4,4] -> Conv 3x3 8->8 group=8 pads=1,1,1,1 strides=2,2 -> y',
  'Conv, depthwise, multiplier 2': 'x[2,4,6,6] -> Conv 3x3 4->8 group=4 pads=1,1,1,1 -> y',
  'Conv, groups': 'x[2,16,5,5] -> Conv 3x3 16->8 group=2 pads=1,1,1,1 -> y',
  'Conv, 16 channels, input and output of one size': 'x[2,16,5,4] -> Conv 3x3 16->17 pads=1,1,1,1 -> y',
  'Conv, 16 channels, dilated, uneven kernel': 'x[2,16,5,6] -> Conv 3x2 16->16 dilations=1,2 pads=2,0,0,2 -> y',
  'Conv, 16 channels, a smaller output': 'x[2,16,5,4] -> Conv 3x3 16->16 pads=0,1,0,1 -> y',
  'Conv, 1-D': 'x[2,8,9] -> Conv 3 8->4 pads=1,1, -> y',
  'ConvTranspose, stride 2': 'x[2,6,4,4] -> ConvTranspose 3x3 6->4 strides=2,2 pads=1,1,1,1 output_padding=1,1 -> y',
  'ConvTranspose, groups': 'x[2,8,4,4] -> ConvTranspose 2x2 8->4 group=2 -> y',
  'MatMul of many rows': 'x[2,5,6] -> MatMul 6->4 -> y',
  'MaxPool and AveragePool': 'x[2,3,7,7] -> MaxPool 3x3 strides=2,2 pads=1,1,1,1 -> AveragePool 2x2 -> y',
  'AveragePool, padded, 1-D': 'x[2,3,9] -> AveragePool 3 strides=2, pads=1,1 -> y',
  GlobalMaxPool: 'x[2,3,4,4] -> GlobalMaxPool -> y',
  InstanceNormalization: 'x[2,3,4,4] -> InstanceNormalization floats[3] floats[3] -> y',
  'LayerNormalization over two axes': 'x[2,3,4] -> LayerNormalization floats[3,4] floats[3,4] axis=1 -> y',
  'Pow, Exp, Log, Sqrt, Reciprocal': 'x[2,5] -> Exp -> Pow number(1.5) -> Sqrt -> Log -> Exp -> Reciprocal -> y',
  'Abs, Neg, Sin, Cos': 'x[2,5] -> Sin -> Neg -> Cos -> Abs -> y',
  'Softsign, Mish, Softplus, Elu': 'x[2,5] -> Softsign -> Mish -> Softplus -> Elu -> y',
  'Min and Max of two': 'x[2,5] -> Sin -> s; x -> Min =s -> m; s -> Max =m -> y',
  'Sum and Mean': 'x[2,5] -> Sin -> s; x -> Sum =s floats[5] -> t; t -> Mean =s -> y',
  'ReduceSum, ReduceMax, ReduceMin':
    'x[2,5,6] -> ReduceMax ints(2) keepdims=1 -> a; x -> ReduceMin ints(1) keepdims=1 -> b; b -> ReduceSum ints(-1) -> c; a -> Mul =c -> y',
  'ReduceSumSquare, ReduceL2, ReduceL1, ReduceLogSumExp':
    'x[2,3,2,2] -> ReduceSumSquare ints(3) -> a; a -> ReduceL2 ints(2) -> b; x -> Exp -> p; p -> ReduceL1 ints(2,3) -> c; x -> ReduceLogSumExp ints(2,3) -> d; c -> Mul =d -> e; b -> Sum =e -> y',
  'Split, Concat, Squeeze, Unsqueeze':
    'x[2,6,3] -> Split and:t axis=1 num_outputs=2 -> s; t -> Sin -> u; s -> Concat =u =t axis=2 -> v; v -> Unsqueeze ints(1) -> Squeeze ints(1) -> Flatten -> y',
  'Slice backwards': 'x[2,6] -> Slice ints(4) ints(-7) ints(1) ints(-2) -> y',
  'Slice strided on two axes': 'x[2,3,7,7] -> Slice ints(0,1) ints(7,7) ints(2,3) ints(2,2) -> y',
  'Pad by reflection': 'x[2,5] -> Pad ints(0,2,0,3) mode=reflect -> y',
  'Pad at the edge': 'x[2,5] -> Pad ints(0,2,0,3) mode=edge -> y',
  'Expand and Tile': 'x[2,1,3] -> Expand ints(2,4,3) -> Tile ints(1,2,1) -> y',
  'Gather on an inner axis': 'x[2,5,3] -> Gather ints(4,0,4) axis=1 -> y',
  'DepthToSpace and back': 'x[2,8,3,3] -> DepthToSpace blocksize=2 mode=CRD -> Sin -> SpaceToDepth blocksize=2 -> y',
  'Resize linear, half pixels': 'x[1,2,4,4] -> Resize = = ints(1,2,7,6) mode=linear -> y',
  'Resize nearest, round': 'x[1,2,4,4] -> Resize = = ints(1,2,7,6) -> y',
  'Pow: a square': 'x[2,5] -> Pow number(2) -> y',
  'Cast and Dropout at rest': 'x[2,5] -> Cast to=1 -> Dropout -> y',
}

describe('gradients agree with central differences', () => {
  for (const [what, drawing] of Object.entries(drawings))
    it(what, async () => {
      runtime ??= openRuntime({ threads: 1 })
      await assertGradients(await runtime, tinyModel(drawing, { opset: 18 }))
    })
})

/** One operator on x [2, 3, 4] and further constants. */
function onCube(opType: string, constants: readonly Tensor[], attributes: Record<string, Attribute> = {}): Model {
  const names = constants.map((_, i) => `c${i}`)
  const model = makeModel({
    name: opType,
    inputs: [{ name: 'x', dtype: 'float32', shape: [2, 3, 4] }],
    outputs: [{ name: 'y', dtype: 'float32' }],
    nodes: [makeNode({ opType, inputs: ['x', ...names], outputs: ['y'], attributes })],
    initializers: Object.fromEntries(names.map((name, i) => [name, constants[i]!])),
  })
  model.opsets.set('', 18)
  return model
}

const floats = (dims: readonly number[]) =>
  Tensor.from(
    'float32',
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i + 1)),
  )
const ints = (dims: readonly number[], values: readonly number[]) => Tensor.from('int64', dims, values)

const cubes = {
  'Einsum of three, one letter only summed over': onCube('Einsum', [floats([4, 5]), floats([3, 2])], {
    equation: stringAttr('abc,cd,be->ad'),
  }),
  'Einsum of one, turned, a letter summed over': onCube('Einsum', [], { equation: stringAttr('abc->ca') }),
  'Einsum without an output': onCube('Einsum', [floats([4, 2])], { equation: stringAttr('abc, cd') }),
  'GatherElements, one twice': onCube(
    'GatherElements',
    [
      ints(
        [2, 2, 4],
        Array.from({ length: 16 }, (_, i) => i % 3),
      ),
    ],
    {
      axis: intAttr(1),
    },
  ),
  GatherND: onCube('GatherND', [ints([3, 2], [0, 1, 1, 2, 0, 1])]),
  'GatherND of batches': onCube('GatherND', [ints([2, 2, 1], [0, 2, 1, 1])], { batch_dims: intAttr(1) }),
  'Trilu, lower': onCube('Trilu', [ints([], [1])], { upper: intAttr(0) }),
  'CumSum, exclusive': onCube('CumSum', [ints([], [2])], { exclusive: intAttr(1) }),
}

describe('gradients of indices and sums over letters agree with central differences', () => {
  for (const [what, model] of Object.entries(cubes))
    it(what, async () => {
      runtime ??= openRuntime({ threads: 1 })
      await assertGradients(await runtime, model)
    })
})

describe('the table of rules', () => {
  it('is covered: every operator stands in a golden case or in a drawing', async () => {
    const { readFileSync } = await import('node:fs')
    const golden = readFileSync(new URL('./golden.test.ts', import.meta.url), 'utf8')
    const cases = readFileSync(new URL('./fixtures/gradients.json', import.meta.url), 'utf8')
    const operators = Object.values(cubes).flatMap(({ graph }) => graph.nodes.map(({ opType }) => opType))
    const drawn = [...Object.values(drawings), ...operators].join(' ')
    const missing = gradientRules
      .map(({ op }) => op)
      .filter((op) => {
        const word = new RegExp(`\\b${op}\\b`)
        return !word.test(drawn) && !word.test(golden) && !cases.includes(`"${op}"`)
      })
    assert.deepEqual(
      missing,
      ['Where', 'Identity', 'Reshape'].filter((op) => missing.includes(op)),
    )
  })
})
