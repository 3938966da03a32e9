// Models and samples that the recorded runs can have everywhere: drawn in a line, seeded, written into a folder.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomStream } from '../../src/math/index.ts'
import { writeModelFile } from '../../src/onnx/index.node.ts'
import { type Model, Tensor } from '../../src/onnx/index.ts'
import { detectorBlock, pictures } from '../../test/support/detector-blocks.ts'
import { graphKinds } from '../../test/support/graph-kinds.ts'
import { smallCompression } from '../../test/support/small-compression.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'

const PICTURES = 48

const drawings: Readonly<Record<string, string>> = {
  residual:
    'x[N,3,16,16] -> Conv 3x3 3->16 pads=1,1,1,1 -> BatchNormalization -> Clip number(0) number(6) -> r; r -> Conv 3x3 16->16 pads=1,1,1,1 group=16 -> BatchNormalization -> Relu -> Conv 1x1 16->16 -> BatchNormalization -> a; r,a -> Add -> Relu -> GlobalAveragePool -> Flatten -> Gemm 16->10 transB=1 -> y',
  decoder:
    'x[N,3,16,16] -> Conv 3x3 3->8 pads=1,1,1,1 strides=2,2 -> Relu -> Conv 3x3 8->16 pads=1,1,1,1 strides=2,2 -> HardSwish -> ConvTranspose 2x2 16->8 strides=2,2 -> Relu -> ConvTranspose 2x2 8->3 strides=2,2 -> Sigmoid -> y',
}
const old =
  'x[N,3,16,16] -> Conv 5x5 3->8 auto_pad=SAME_UPPER -> BatchNormalization -> Relu -> MaxPool 2x2 strides=2,2 -> Flatten -> Gemm 512->10 -> Softmax axis=1 -> y'
const half =
  'x[N,3,16,16] -> Conv 3x3 3->8 pads=1,1,1,1 -> BatchNormalization -> Relu -> Conv 3x3 8->8 -> Relu -> GlobalAveragePool -> Flatten -> Gemm 8->4 transB=1 -> y'
/** A manual plan for the demo's network. */
const manual = { 'block2.conv3': 0.5, 'block3.conv3': { channels: 0.75 }, 'block4.conv1': 'keep', 'block4.conv3': 12 }

/** Writes every model and the samples, `pictures.json`, into `folder`. */
export async function makeModels(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const models: Readonly<Record<string, Model>> = {
    residual: damped(tinyModel(drawings['residual'] ?? '')),
    uneven: uneven(damped(tinyModel(drawings['residual'] ?? ''))),
    decoder: damped(tinyModel(drawings['decoder'] ?? '')),
    old: damped(tinyModel(old, { opset: 9 })),
    half: tinyModel(half, { dtype: 'float16' }),
    yolov8: detectorBlock('yolov8 head'),
    yolo11: detectorBlock('yolo11 attention'),
    detr: detectorBlock('rt-detr'),
    loop: behind('a layer behind a Loop'),
    sequence: behind('parts of a sequence, one behind a layer'),
  }
  for (const [name, model] of Object.entries(models)) await writeModelFile(model, join(folder, `${name}.onnx`))
  writeFileSync(join(folder, 'pictures.bin'), new Uint8Array(pictures(PICTURES).buffer))
  const shape = [PICTURES, 3, 16, 16]
  writeFileSync(
    join(folder, 'pictures.json'),
    JSON.stringify({ format: 'raw', file: 'pictures.bin', dtype: 'float32', shape }),
  )
  writeFileSync(join(folder, 'manual.json'), JSON.stringify(manual, null, 2))
  mkdirSync(join(folder, 'smooth'))
  await smallCompression(join(folder, 'smooth'))
}

function behind(kind: string): Model {
  const found = graphKinds[kind]
  if (!found) throw new Error(`no graph "${kind}"; there are ${Object.keys(graphKinds).join(', ')}`)
  return found.make()
}

/** Divides every weight by the root of what one of its outputs sums up, so that values keep their size. */
function damped(model: Model): Model {
  return withWeights(model, (weight, values) => {
    const fan = (weight.shape as number[]).slice(weight.shape.length === 4 ? 1 : 0).reduce((a, b) => a * b, 1)
    return values.map((value) => value / Math.sqrt(weight.shape.length === 4 ? fan : (weight.shape[0] ?? 1)))
  })
}

/** Output channels of very different sizes: what one scale for a whole weight cannot hold. */
function uneven(model: Model): Model {
  const random = randomStream(3, 'uneven channels')
  return withWeights(model, (weight, values) => {
    const channels = weight.shape[0] ?? 1
    const sizes = Array.from({ length: channels }, () => 2 ** random.integer(-4, 3))
    return values.map((value, i) => value * (sizes[Math.floor((i * channels) / values.length)] ?? 1))
  })
}

function withWeights(model: Model, change: (weight: Tensor, values: Float32Array) => Float32Array): Model {
  for (const [name, tensor] of model.graph.initializers)
    if (name.endsWith('_weight'))
      model.graph.initializers.set(
        name,
        Tensor.from('float32', tensor.shape, change(tensor, Float32Array.from(tensor.floats()))),
      )
  return model
}
