import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TensorValue } from '../../base/index.ts'
import { randomStream } from '../../math/index.ts'
import { GraphEditor, Tensor } from '../../onnx/index.ts'
import { openRuntime } from '../../runtime/index.node.ts'
import { observeShapes, type Runtime, type Values, withSession } from '../../runtime/index.ts'
import { addGradients } from '../graph/backward.ts'
import { Emitter } from '../graph/emitter.ts'
import { gradientRuleOf, gradientRules } from './index.ts'

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
  'Cast and Dropout at rest': 'x[2,5] -> Cast to=1 -> Dropout -> y',
}

interface Built {
  readonly run: (feeds: Values) => Promise<Values>
  readonly wanted: readonly string[]
  readonly feeds: Record<string, TensorValue>
  readonly gradients: ReadonlyMap<string, string>
}

/** One at which no two elements of a maximum come near a tie. */
const SEED = 5

const normal = (dims: readonly number[], purpose: string) => {
  const random = randomStream(SEED, purpose)
  return Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, random.normal)
}

/** ⟨R, y⟩ and its gradients, for a random R. */
async function build(drawing: string, work: (built: Built) => Promise<void>): Promise<void> {
  runtime ??= openRuntime({ threads: 1 })
  const model = tinyModel(drawing, { opset: 18 })
  const feeds: Record<string, TensorValue> = {}
  for (const { name, shape = [] } of model.graph.inputs) {
    const dims = shape.map(Number)
    feeds[name] = { dtype: 'float32', dims, data: normal(dims, name) }
  }
  const shapes = await observeShapes(await runtime, model, feeds)
  const editor = new GraphEditor(model)
  const g = new Emitter(editor, shapes)
  for (const [name, tensor] of [...editor.graph.initializers]) {
    if (tensor.dtype !== 'float32' || tensor.shape.length === 0) continue
    editor.graph.initializers.delete(name)
    editor.graph.inputs.push({ name, dtype: 'float32', shape: tensor.shape })
    g.declare(name, tensor.shape)
    feeds[name] = { dtype: 'float32', dims: tensor.shape, data: tensor.floats().slice() }
  }
  const wanted = Object.keys(feeds)
  const upstream = g.constant(Tensor.from('float32', g.dims('y'), normal(g.dims('y'), 'upstream')))
  const gradients = addGradients(g, { seeds: new Map([['y', upstream]]), wanted, rules: gradientRuleOf })
  const product = g.times(upstream, 'y')
  const value = g.sum(
    product,
    g.dims(product).map((_, axis) => axis),
  )
  editor.graph.outputs.splice(0, 9, { name: value, dtype: 'float32' })
  for (const name of gradients.values()) editor.graph.outputs.push({ name, dtype: 'float32' })
  await withSession(await runtime, editor.finish(), { optimization: 'disabled' }, (session) =>
    work({ run: (given) => session.run(given), wanted, feeds, gradients }),
  )
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

describe('gradients agree with central differences', () => {
  for (const [what, drawing] of Object.entries(drawings))
    it(what, async () => {
      await build(drawing, async ({ run, wanted, feeds, gradients }) => {
        const results = await run(feeds)
        for (const name of wanted) {
          const gradient = results[gradients.get(name) ?? '']
          assert.ok(gradient, `no gradient of ${name}`)
          assert.deepEqual([...gradient.dims], [...feeds[name]!.dims])
          const direction = normal(feeds[name]!.dims, `direction ${name}`)
          const expected = dot(gradient.data as Float32Array, direction)
          // Kinks between the two points and rounding have opposite needs: the best of several steps counts.
          let best = Number.POSITIVE_INFINITY
          for (const step of [0.1, 0.03, 0.01, 0.003, 0.001]) {
            const moved = async (sign: number) => {
              const data = (feeds[name]!.data as Float32Array).map((x, i) => x + sign * step * direction[i]!)
              return Number(Object.values(await run({ ...feeds, [name]: { ...feeds[name]!, data } }))[0]!.data[0])
            }
            const slope = ((await moved(1)) - (await moved(-1))) / (2 * step)
            best = Math.min(best, Math.abs(slope - expected) / Math.max(1, Math.abs(expected)))
          }
          assert.ok(best < 2e-3, `gradient of ${name} is off by ${best}`)
        }
      })
    })
})

describe('the table of rules', () => {
  it('is covered: every operator stands in a golden case or in a drawing', async () => {
    const { readFileSync } = await import('node:fs')
    const golden = readFileSync(new URL('./golden.test.ts', import.meta.url), 'utf8')
    const cases = readFileSync(new URL('./fixtures/gradients.json', import.meta.url), 'utf8')
    const drawn = Object.values(drawings).join(' ')
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
