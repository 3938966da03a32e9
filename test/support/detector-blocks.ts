// The blocks that detectors are made of, small and with random weights: several outputs of one node, values that are read at
// several depths, heads that pick and join.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomStream } from '../../src/math/index.ts'
import { writeModelFile } from '../../src/onnx/index.node.ts'
import { type Model, Tensor } from '../../src/onnx/index.ts'
import { tinyModel } from './tiny-model.ts'

/** A convolution, k×k from `from` to `to` channels, and SiLU; `more` are further attributes. */
function conv(input: string, output: string, k: number, from: number, to: number, more = ''): string {
  const pads = k === 1 ? '' : ` pads=${new Array(4).fill((k - 1) / 2)}`
  return `${input} -> Conv ${k}x${k} ${from}->${to}${pads}${more} -> ${output}_c; ${output}_c -> Sigmoid -> ${output}_s; ${output}_c,${output}_s -> Mul -> ${output}`
}

/** Two convolutions with a shortcut. */
function bottleneck(input: string, output: string, channels: number): string {
  return chains(
    conv(input, `${output}_1`, 3, channels, channels),
    conv(`${output}_1`, `${output}_2`, 3, channels, channels),
    `${input},${output}_2 -> Add -> ${output}`,
  )
}

/** YOLOv5: two branches, one of bottlenecks, joined. */
function c3(input: string, output: string, from: number, to: number): string {
  const half = to / 2
  return chains(
    conv(input, `${output}_a`, 1, from, half),
    conv(input, `${output}_b`, 1, from, half),
    bottleneck(`${output}_a`, `${output}_m`, half),
    `${output}_m,${output}_b -> Concat axis=1 -> ${output}_j`,
    conv(`${output}_j`, output, 1, to, to),
  )
}

/** YOLOv8 and YOLO11: halves of a Split, one goes on, everything is joined. */
function c2f(input: string, output: string, from: number, to: number, inner = bottleneck): string {
  const half = to / 2
  return chains(
    conv(input, `${output}_in`, 1, from, to),
    `${output}_in -> Split axis=1 ints(${half},${half}) and:${output}_b -> ${output}_a`,
    inner(`${output}_b`, `${output}_m`, half),
    `${output}_a,${output}_b,${output}_m -> Concat axis=1 -> ${output}_j`,
    conv(`${output}_j`, output, 1, half * 3, to),
  )
}

/** YOLO11: query, key and value of a Split, with the positions of a depthwise convolution. */
function attention(input: string, output: string, channels: number, size: number): string {
  const [o, cells] = [output, size * size]
  return chains(
    `${input} -> Conv 1x1 ${channels}->${channels * 2} -> ${o}_qkv -> Reshape ints(0,2,${channels},${cells}) -> ${o}_h`,
    `${o}_h -> Split axis=2 ints(${channels / 4},${channels / 4},${channels / 2}) and:${o}_k and:${o}_v -> ${o}_q`,
    `${o}_q -> Transpose perm=0,1,3,2 -> ${o}_qt; ${o}_qt,${o}_k -> MatMul -> Mul number(0.4) -> Softmax axis=3 -> Transpose perm=0,1,3,2 -> ${o}_w`,
    `${o}_v,${o}_w -> MatMul -> Reshape ints(0,${channels},${size},${size}) -> ${o}_x`,
    `${o}_v -> Reshape ints(0,${channels},${size},${size}) -> Conv 3x3 ${channels}->${channels} group=${channels} pads=1,1,1,1 -> ${o}_p`,
    `${o}_x,${o}_p -> Add -> Conv 1x1 ${channels}->${channels} -> ${o}_y; ${input},${o}_y -> Add -> ${o}`,
  )
}

/** YOLOX: boxes, objectness and classes by layers of their own, joined to rows. */
function decoupledHead(input: string, output: string, channels: number): string {
  const o = output
  return chains(
    conv(input, `${o}_stem`, 1, channels, channels),
    conv(`${o}_stem`, `${o}_cls`, 3, channels, channels),
    conv(`${o}_stem`, `${o}_reg`, 3, channels, channels),
    `${o}_cls -> Conv 1x1 ${channels}->3 -> Sigmoid -> ${o}_c; ${o}_reg -> Conv 1x1 ${channels}->4 -> ${o}_r; ${o}_reg -> Conv 1x1 ${channels}->1 -> Sigmoid -> ${o}_o`,
    `${o}_r,${o}_o,${o}_c -> Concat axis=1 -> Reshape ints(0,8,-1) -> ${o}`,
  )
}

/** YOLOv8: boxes as distributions, taken apart by a Split behind the Concat of two scales. */
function distributionHead(first: string, second: string, channels: number): string {
  const rows = (input: string, o: string) =>
    chains(
      `${conv(input, `${o}_b1`, 3, channels, channels)} -> Conv 1x1 ${channels}->16 -> ${o}_box`,
      `${conv(input, `${o}_c1`, 3, channels, channels)} -> Conv 1x1 ${channels}->3 -> ${o}_cls`,
      `${o}_box,${o}_cls -> Concat axis=1 -> Reshape ints(0,19,-1) -> ${o}`,
    )
  return chains(
    rows(first, 'h1'),
    rows(second, 'h2'),
    'h1,h2 -> Concat axis=2 -> rows -> Split axis=1 ints(16,3) and:scores -> dist',
    'dist -> Reshape ints(0,4,4,80) -> Transpose perm=0,2,1,3 -> Softmax axis=1 -> Conv 1x1 4->1 nobias -> Reshape ints(0,4,80) -> sides',
    'sides -> Slice ints(0) ints(2) ints(1) -> lt; sides -> Slice ints(2) ints(4) ints(1) -> rb',
    'lt -> Neg -> Add floats[1,2,80] -> x1; rb -> Add floats[1,2,80] -> x2; x1,x2 -> Add -> Mul number(0.5) -> centre; x2,x1 -> Sub -> size',
    'centre,size -> Concat axis=1 -> boxes; scores -> Sigmoid -> p; boxes,p -> Concat axis=1 -> out!',
  )
}

/** RT-DETR: an encoder layer on the cells of a map, the best cells as queries, a decoder layer, two outputs. */
function transformerHead(input: string, channels: number): string {
  const c = channels
  const attend = (o: string, queries: string, memory: string) =>
    chains(
      `${queries} -> MatMul ${c}->${c} -> Add floats[${c}] -> Reshape ints(0,-1,2,${c / 2}) -> Transpose perm=0,2,1,3 -> ${o}_q`,
      `${memory} -> MatMul ${c}->${c} -> Add floats[${c}] -> Reshape ints(0,-1,2,${c / 2}) -> Transpose perm=0,2,3,1 -> ${o}_k`,
      `${memory} -> MatMul ${c}->${c} -> Add floats[${c}] -> Reshape ints(0,-1,2,${c / 2}) -> Transpose perm=0,2,1,3 -> ${o}_v`,
      `${o}_q,${o}_k -> MatMul -> Mul number(0.35) -> Softmax axis=3 -> ${o}_w; ${o}_w,${o}_v -> MatMul -> Transpose perm=0,2,1,3 -> Reshape ints(0,-1,${c}) -> MatMul ${c}->${c} -> Add floats[${c}] -> ${o}_y`,
      `${queries},${o}_y -> Add -> LayerNormalization floats[${c}] floats[${c}] -> ${o}`,
    )
  return chains(
    `${input} -> Reshape ints(0,${c},-1) -> Transpose perm=0,2,1 -> cells`,
    attend('enc', 'cells', 'cells'),
    `enc -> MatMul ${c}->3 -> Add floats[3] -> logits -> ReduceMax axes=2, keepdims=0 -> TopK ints(5) axis=1 and:best -> top`,
    `best -> Unsqueeze ints(2) -> Tile ints(1,1,${c}) -> index; enc -> GatherElements axis=1 =index -> queries`,
    attend('dec', 'queries', 'enc'),
    `dec -> MatMul ${c}->4 -> Add floats[4] -> Sigmoid -> boxes!; dec -> MatMul ${c}->3 -> Add floats[3] -> Sigmoid -> scores!`,
  )
}

/** YOLOX: every second column and row, four times. */
const focus: string = chains(
  ...[0, 1, 2, 3].map(
    (i) =>
      `x -> Slice ints(${i % 2}) ints(32) ints(3) ints(2) -> Slice ints(${i >> 1}) ints(32) ints(2) ints(2) -> f${i}`,
  ),
  'f0,f1,f2,f3 -> Concat axis=1 -> f',
)

const image = 'x[N,3,16,16]'
const pool = (input: string, output: string) => `${input} -> MaxPool 5x5 pads=2,2,2,2 strides=1,1 -> ${output}`

const drawings: Readonly<Record<string, string>> = {
  c3: chains(
    conv(image, 'a', 3, 3, 8),
    c3('a', 'b', 8, 8),
    'b -> GlobalAveragePool -> Flatten -> Gemm 8->4 transB=1 -> y',
  ),
  sppf: chains(
    conv(image, 'a', 3, 3, 8, ' strides=2,2'),
    conv('a', 'b', 1, 8, 4),
    pool('b', 'p'),
    pool('p', 'q'),
    pool('q', 'r'),
    'b,p,q,r -> Concat axis=1 -> j',
    conv('j', 'k', 1, 16, 8),
    'k -> Conv 1x1 8->6 -> y',
  ),
  c2f: chains(conv(image, 'a', 3, 3, 8), c2f('a', 'b', 8, 8), c2f('b', 'd', 8, 8), 'd -> Conv 1x1 8->6 -> y'),
  'yolov8 head': chains(
    conv(image, 'a', 3, 3, 8, ' strides=2,2'),
    c2f('a', 'b', 8, 8),
    conv('b', 'd', 3, 8, 8, ' strides=2,2'),
    distributionHead('b', 'd', 8),
  ),
  c3k2: chains(
    conv(image, 'a', 3, 3, 8),
    c2f('a', 'b', 8, 8, (input, output, channels) => c3(input, output, channels, channels)),
    'b -> Conv 1x1 8->6 -> y',
  ),
  'yolo11 attention': chains(
    conv(image, 'a', 3, 3, 8, ' strides=2,2'),
    conv('a', 'b', 1, 8, 16),
    'b -> Split axis=1 ints(8,8) and:right -> left',
    attention('right', 'e', 8, 8),
    'left,e -> Concat axis=1 -> j',
    conv('j', 'k', 1, 16, 8),
    'k -> Conv 1x1 8->6 -> y',
  ),
  yolox: chains(
    focus,
    conv('f', 'a', 3, 12, 8),
    conv('a', 'b', 3, 8, 8, ' strides=2,2'),
    decoupledHead('a', 'h1', 8),
    decoupledHead('b', 'h2', 8),
    'h1,h2 -> Concat axis=2 -> Transpose perm=0,2,1 -> y',
  ).replace('x ->', `${image} ->`),
  'rt-detr': chains(
    conv(image, 'a', 3, 3, 8, ' strides=2,2'),
    conv('a', 'b', 3, 8, 8, ' strides=2,2'),
    transformerHead('b', 8),
  ),
}

export const detectorBlocks: readonly string[] = Object.keys(drawings)

/** The model of a block; its weights keep the size of what goes through. */
export function detectorBlock(block: string): Model {
  const model = tinyModel(drawings[block] ?? '')
  for (const [name, tensor] of model.graph.initializers) {
    if (!name.endsWith('_weight')) continue
    const conv = tensor.shape.length === 4
    const fan = (tensor.shape.slice(conv ? 1 : 0, conv ? undefined : 1) as number[]).reduce((a, b) => a * b, 1)
    const scaled = Float32Array.from(tensor.floats(), (weight) => weight / Math.sqrt(fan))
    model.graph.initializers.set(name, Tensor.from('float32', tensor.shape, scaled))
  }
  return model
}

/** `count` smooth pictures, one after the other. */
export function pictures(count: number): Float32Array {
  const random = randomStream(1, 'pictures')
  const data = new Float32Array(count * 3 * 256)
  for (let plane = 0; plane < count * 3; plane++) {
    const [a, b, p] = [random.normal(), random.normal(), random.uniform(0, 6)]
    for (let i = 0; i < 256; i++)
      data[plane * 256 + i] = a * Math.sin(p + Math.floor(i / 16) / 4) + b * Math.cos(p + (i % 16) / 3)
  }
  return data
}

/** Writes the model of a block and `count` pictures into a folder; gives their paths. */
export async function writeBlock(
  folder: string,
  block: string,
  count: number,
): Promise<{ readonly model: string; readonly data: string }> {
  const name = block.replace(/\W/g, '-')
  const model = join(folder, `${name}.onnx`)
  const data = join(folder, 'pictures.json')
  await writeModelFile(detectorBlock(block), model)
  writeFileSync(join(folder, 'pictures.bin'), new Uint8Array(pictures(count).buffer))
  const shape = [count, 3, 16, 16]
  writeFileSync(data, JSON.stringify({ format: 'raw', file: 'pictures.bin', dtype: 'float32', shape }))
  return { model, data }
}

function chains(...parts: readonly string[]): string {
  return parts.join('; ')
}
