// Small networks around one operator each, with seeded weights and samples: what a quantisation meets, a thousand ways, in seconds.
import type { Dataset, Sample } from '../../src/data/index.ts'
import { type Random, randomStream } from '../../src/math/index.ts'
import { type Model, Tensor } from '../../src/onnx/index.ts'
import { tinyModel } from './tiny-model.ts'

/** How the weights of the layers are drawn. */
export const weightKinds = ['normal', 'uneven', 'heavy'] as const
/** How the values of the samples are drawn. */
export const inputKinds = ['normal', 'uniform', 'heavy', 'loud', 'clipped', 'positive', 'smooth'] as const

/** One network with its samples. */
export interface OpGraph {
  readonly name: string
  readonly model: Model
  /** Samples to calibrate on, and others of the same kind. */
  readonly calibration: Dataset
  readonly fresh: Dataset
}

/** What stands between two convolutions of 8 channels on 12×12; `…` is the value before, `8->8` a convolution. */
const maps: Readonly<Record<string, string>> = {
  none: 'Relu -> m',
  relu6: 'Clip number(0) number(6) -> m',
  clip: 'Clip number(-1) number(1) -> m',
  leaky: 'LeakyRelu alpha=0.1 -> m',
  prelu: 'PRelu floats[8,1,1] -> m',
  elu: 'Elu -> m',
  selu: 'Selu -> m',
  tanh: 'Tanh -> m',
  sigmoid: 'Sigmoid -> m',
  softplus: 'Softplus -> m',
  softsign: 'Softsign -> m',
  hardSigmoid: 'HardSigmoid -> m',
  hardSwish: 'HardSwish -> m',
  silu: 'a -> Sigmoid -> b; a,b -> Mul -> m',
  gelu: 'Div number(1.4142135) -> Erf -> Add number(1) -> b; a,b -> Mul -> Mul number(0.5) -> m',
  mish: 'Softplus -> Tanh -> b; a,b -> Mul -> m',
  abs: 'Abs -> m',
  neg: 'Relu -> Neg -> m',
  exp: 'Clip number(-4) number(2) -> Exp -> m',
  square: 'Mul =a -> m',
  sqrt: 'Relu -> Sqrt -> m',
  maxPool: 'Relu -> MaxPool 3x3 strides=2,2 pads=1,1,1,1 -> m',
  averagePool: 'Relu -> AveragePool 2x2 strides=2,2 -> m',
  averagePool3: 'Relu -> AveragePool 3x3 strides=1,1 pads=1,1,1,1 count_include_pad=1 -> m',
  pad: 'Relu -> Pad ints(0,0,1,1,0,0,1,1) -> m',
  padNegative: 'Relu -> Pad ints(0,0,-1,-1,0,0,-1,-1) -> m',
  padReflect: 'Relu -> Pad ints(0,0,2,2,0,0,2,2) mode=reflect -> m',
  resize: 'Relu -> Resize floats[0] ones4 mode=nearest -> m',
  batchNorm: 'BatchNormalization 8 -> Relu -> m',
  instanceNorm: 'InstanceNormalization floats[8] floats[8] -> Relu -> m',
  lrn: 'Relu -> LRN size=3 -> m',
  residual: 'Relu -> r; r -> Conv 3x3 8->8 pads=1,1,1,1 -> s; r,s -> Add -> Relu -> m',
  residual6: 'Clip number(0) number(6) -> r; r -> Conv 3x3 8->8 pads=1,1,1,1 -> s; r,s -> Add -> m',
  depthwise: 'Relu -> Conv 3x3 8->8 group=8 pads=1,1,1,1 -> Relu -> m',
  depthwise6: 'Clip number(0) number(6) -> Conv 3x3 8->8 group=8 pads=1,1,1,1 -> Clip number(0) number(6) -> m',
  squeeze:
    'Relu -> r; r -> GlobalAveragePool -> Conv 1x1 8->4 -> Relu -> Conv 1x1 4->8 -> Sigmoid -> g; r,g -> Mul -> m',
  concat: 'Relu -> r; r -> Conv 1x1 8->4 -> Relu -> p; r -> Conv 3x3 8->4 pads=1,1,1,1 -> q; p,q -> Concat axis=1 -> m',
  split: 'Relu -> Split axis=1 num_outputs and:t -> s; s,t -> Add -> Concat axis=1 =t -> m',
  transposed: 'Relu -> ConvTranspose 2x2 8->8 strides=2,2 -> Relu -> m',
  scale: 'Mul floats[8,1,1] -> Add floats[8,1,1] -> Relu -> m',
  maximum: 'a -> Conv 1x1 8->8 -> b; a,b -> Max -> m',
  subtract: 'a -> Conv 1x1 8->8 -> b; a,b -> Sub -> Relu -> m',
  gate: 'a -> Conv 1x1 8->8 -> Sigmoid -> b; a,b -> Mul -> m',
  shuffle: 'Relu -> Reshape ints(0,2,4,12,12) -> Transpose perm=0,2,1,3,4 -> Reshape ints(0,8,12,12) -> m',
  spaceToDepth: 'Relu -> SpaceToDepth blocksize=2 -> DepthToSpace blocksize=2 -> m',
  dropout: 'Relu -> Dropout -> m',
  deep: 'Relu -> Conv 3x3 8->8 pads=1,1,1,1 -> Relu -> Conv 3x3 8->8 pads=1,1,1,1 -> Relu -> m',
}

/** What stands between two fully connected layers of 24 values. */
const vectors: Readonly<Record<string, string>> = {
  none: 'Relu -> m',
  leaky: 'LeakyRelu alpha=0.1 -> m',
  clip: 'Clip number(-1) number(1) -> m',
  tanh: 'Tanh -> m',
  sigmoid: 'Sigmoid -> m',
  silu: 'a -> Sigmoid -> b; a,b -> Mul -> m',
  gelu: 'Div number(1.4142135) -> Erf -> Add number(1) -> b; a,b -> Mul -> Mul number(0.5) -> m',
  softmax: 'Softmax -> m',
  layerNorm: 'LayerNormalization floats[24] floats[24] -> m',
  rmsNorm: 'a -> Mul =a -> ReduceMean ints(1) -> Add number(0.00001) -> Sqrt -> s; a,s -> Div -> Mul floats[24] -> m',
  residual: 'Relu -> r; r -> Gemm 24->24 transB=1 -> s; r,s -> Add -> m',
  gate: 'a -> Gemm 24->24 transB=1 -> Sigmoid -> b; a,b -> Mul -> m',
  matMul: 'Relu -> MatMul 24->24 -> Relu -> m',
  bare: 'Gemm 24->24 transB=1 -> m',
  abs: 'Abs -> m',
  neg: 'Relu -> Neg -> m',
  deep: 'Relu -> Gemm 24->24 transB=1 -> Relu -> Gemm 24->24 transB=1 -> Relu -> m',
}
/** What stands between two layers that work on the last axis of a sequence. */
const sequences: Readonly<Record<string, string>> = {
  relu: 'Relu -> m',
  layerNorm: 'LayerNormalization floats[16] floats[16] -> m',
  attention:
    'a -> MatMul 16->16 -> q; a -> MatMul 16->16 -> k; a -> MatMul 16->16 -> v; k -> Transpose perm=0,2,1 -> kt; q,kt -> MatMul -> Mul number(0.25) -> Softmax -> p; p,v -> MatMul -> MatMul 16->16 -> o; o,a -> Add -> m',
  block:
    'a -> LayerNormalization floats[16] floats[16] -> n; n -> MatMul 16->32 -> Relu -> MatMul 32->16 -> f; f,a -> Add -> LayerNormalization floats[16] floats[16] -> m',
  silu: 'a -> Sigmoid -> b; a,b -> Mul -> m',
}

const mapHeads: readonly string[] = [
  'Conv 3x3 8->6 pads=1,1,1,1 -> Relu -> GlobalAveragePool -> Flatten -> Gemm 6->5 transB=1 -> y',
  'Conv 3x3 8->6 pads=1,1,1,1 -> y',
]

interface Family {
  readonly name: string
  readonly drawing: string
  readonly shape: readonly number[]
}

/** Every drawing, in a fixed order. */
export function families(): readonly Family[] {
  const made: Family[] = []
  for (const [name, between] of Object.entries(maps))
    for (const [h, head] of mapHeads.entries())
      made.push({
        name: `map/${name}${h === 0 ? '' : '/open'}`,
        drawing: `x[N,3,12,12] -> Conv 3x3 3->8 pads=1,1,1,1 -> a; ${startOf(between)}; m -> ${head}`,
        shape: [1, 3, 12, 12],
      })
  for (const [name, between] of Object.entries(vectors))
    made.push({
      name: `vector/${name}`,
      drawing: `x[N,16] -> Gemm 16->24 transB=1 -> a; ${startOf(between)}; m -> Gemm 24->5 transB=1 -> y`,
      shape: [1, 16],
    })
  for (const [name, between] of Object.entries(sequences))
    made.push({
      name: `sequence/${name}`,
      drawing: `x[N,6,12] -> MatMul 12->16 -> a; ${startOf(between)}; m -> MatMul 16->8 -> ReduceMean ints(1) keepdims=0 -> Gemm 8->5 transB=1 -> y`,
      shape: [1, 6, 12],
    })
  return made
}

const startOf = (between: string) => (between.startsWith('a ->') ? between : `a -> ${between}`)

/** A network of a family; `turn` chooses kinds of weights and inputs, how many samples, and every number drawn. */
export function opGraph(family: Family, turn: number, fresh = 256): OpGraph {
  const random = randomStream(turn, family.name)
  const weights = weightKinds[turn % weightKinds.length]!
  const inputs = inputKinds[random.integer(0, inputKinds.length - 1)]!
  const samples = [16, 32, 64][random.integer(0, 2)]!
  const model = drawn(family, turn)
  weigh(model, weights, random)
  const draw = sampler(inputs, family, random)
  return {
    name: `${family.name} ${weights} ${inputs} ${samples}`,
    model,
    calibration: datasetOf('calibration', family.shape, samples, draw),
    fresh: datasetOf('fresh', family.shape, fresh, draw),
  }
}

function drawn({ drawing, name }: Family, turn: number): Model {
  const model = tinyModel(
    drawing.replace('floats[0] ones4', '=none =scales').replace('num_outputs ', 'num_outputs=2 '),
    {
      seed: turn,
      opset: 18,
    },
  )
  if (name.includes('resize')) model.graph.initializers.set('scales', Tensor.from('float32', [4], [1, 1, 2, 2]))
  for (const node of model.graph.nodes)
    node.inputs.splice(0, node.inputs.length, ...node.inputs.map((i) => (i === 'none' ? '' : i)))
  return model
}

/** Weights as networks have them: sums keep their size, biases are small; `uneven`: rows of different size; `heavy`: a long tail. */
function weigh({ graph }: Model, kind: (typeof weightKinds)[number], random: Random): void {
  for (const [name, tensor] of graph.initializers) {
    const { shape } = tensor
    if (tensor.dtype !== 'float32' || shape.length === 0 || name === 'scales') continue
    if (!name.endsWith('_weight')) {
      const norm = /floats|scale|variance/.test(name)
      const values = tensor
        .floats()
        .map((x) => (name.includes('variance') ? x : norm && name.includes('floats') ? 1 + 0.3 * x : 0.2 * x))
      graph.initializers.set(name, Tensor.from('float32', shape, name.includes('_scale') ? tensor.floats() : values))
      continue
    }
    const node = graph.nodes.find(({ inputs }) => inputs.includes(name))
    const rows = shape[node?.opType === 'MatMul' || node?.opType === 'ConvTranspose' ? 1 : 0] ?? 1
    const byColumn = node?.opType === 'MatMul' || node?.opType === 'ConvTranspose'
    const fan = tensor.size / rows
    const size = Math.sqrt(2 / fan)
    const sizes = Array.from({ length: rows }, () => (kind === 'uneven' ? Math.exp(0.8 * random.normal()) : 1))
    const inner = byColumn ? shape.slice(2).reduce((a, b) => a * b, 1) : fan
    const values = Float32Array.from({ length: tensor.size }, (_, i) => {
      const tail = kind === 'heavy' && random.next() < 0.05 ? 4 : 1
      return size * tail * sizes[Math.floor(i / inner) % rows]! * random.normal()
    })
    graph.initializers.set(name, Tensor.from('float32', shape, values))
  }
}

type Draw = (data: Float32Array, random: Random) => void

function fill(data: Float32Array, next: () => number): void {
  for (let i = 0; i < data.length; i++) data[i] = next()
}

/** How one sample is filled. */
function sampler(kind: (typeof inputKinds)[number], { shape }: Family, random: Random): Draw {
  const channels = shape[1] ?? 1
  const offsets = Array.from({ length: channels }, () => random.normal())
  const each: Readonly<Record<typeof kind, Draw>> = {
    normal: (data, r) => fill(data, () => r.normal()),
    uniform: (data, r) => fill(data, () => r.uniform(-1, 1)),
    // Student's t with three degrees of freedom: the largest of some samples says little of the largest of others.
    heavy: (data, r) =>
      fill(data, () => r.normal() / Math.sqrt((r.normal() ** 2 + r.normal() ** 2 + r.normal() ** 2) / 3)),
    // Some samples are much louder than others.
    loud: (data, r) => {
      const gain = Math.exp(0.7 * r.normal())
      fill(data, () => gain * r.normal())
    },
    clipped: (data, r) => fill(data, () => Math.max(-1, Math.min(1, 1.5 * r.normal()))),
    positive: (data, r) => fill(data, () => Math.max(0, Math.min(1, 0.4 + 0.3 * r.normal()))),
    smooth: (data, r) => {
      const per = data.length / channels
      for (let c = 0; c < channels; c++) {
        const [a, p, q] = [r.normal(), r.uniform(0, 6), r.uniform(0.2, 1)]
        for (let i = 0; i < per; i++) data[c * per + i] = offsets[c]! + a * Math.sin(p + q * i)
      }
    },
  }
  return each[kind]
}

/** Seeded samples of one shape. */
export function datasetOf(name: string, shape: readonly number[], count: number, draw: Draw): Dataset {
  const size = shape.reduce((a, b) => a * b, 1)
  const seed = name === 'fresh' ? 1 : 0
  const sampleOf = (index: number): Sample => {
    const data = new Float32Array(size)
    draw(data, randomStream(seed * 100_000 + index, name))
    return { id: `${name} ${index}`, inputs: { x: { dtype: 'float32', dims: [...shape], data } } }
  }
  return { name, size: count, hasLabels: false, notes: [], id: (i) => `${name} ${i}`, sample: async (i) => sampleOf(i) }
}
