// A small residual network with smooth samples, written into a folder: noise would leave no slack to compress.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomStream } from '../../src/math/index.ts'
import { writeModelFile } from '../../src/onnx/index.node.ts'
import { tinyModel } from './tiny-model.ts'

/** Writes `tiny.onnx` and 96 samples, `x.json`; gives their paths. */
export async function smallCompression(folder: string): Promise<{ readonly model: string; readonly data: string }> {
  const model = join(folder, 'tiny.onnx')
  const data = join(folder, 'x.json')
  await writeModelFile(
    tinyModel(
      'x[N,8,12,12] -> Conv 3x3 8->16 pads=1,1,1,1 -> Relu -> r; r -> Conv 3x3 16->16 pads=1,1,1,1 -> a; r,a -> Add -> Relu -> GlobalAveragePool -> Flatten -> Gemm 16->10 transB=1 -> y',
    ),
    model,
  )
  writeFileSync(join(folder, 'x.bin'), samples(96))
  writeFileSync(data, JSON.stringify({ format: 'raw', file: 'x.bin', dtype: 'float32', shape: [96, 8, 12, 12] }))
  return { model, data }
}

function samples(count: number): Buffer {
  const random = randomStream(1, 'smooth samples')
  const data = new Float32Array(count * 8 * 144)
  for (let s = 0; s < count; s++)
    for (let c = 0; c < 8; c++) {
      const [a, b, p] = [random.normal(), random.normal(), random.uniform(0, 6)]
      for (let i = 0; i < 144; i++)
        data[(s * 8 + c) * 144 + i] = a * Math.sin(p + Math.floor(i / 12) / 4) + b * Math.cos(p + (i % 12) / 4)
    }
  return Buffer.from(data.buffer)
}
