// From which size on a matrix product through ONNX Runtime is faster than in TypeScript: the constant SMALL of
// src/runtime/products.ts. Usage: node --import tsx bench/products.ts
import { matrix, median, multiply, randomStream } from '../src/math/index.ts'
import { openRuntime } from '../src/runtime/index.node.ts'
import { runtimeProducts } from '../src/runtime/index.ts'

const runtime = await openRuntime()
const products = runtimeProducts(runtime, { small: 0 })
const random = randomStream(0, 'products')
const normals = (rows: number, columns: number) =>
  matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => random.normal()),
  )

async function milliseconds(work: () => unknown): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

for (const [rows, inner, columns] of [
  [32, 32, 32],
  [48, 48, 48],
  [64, 64, 64],
  [16, 144, 144],
  [80, 80, 80],
  [32, 192, 192],
  [128, 128, 128],
  [64, 576, 64],
  [192, 192, 192],
] as const) {
  const [a, b] = [normals(rows, inner), normals(inner, columns)]
  const times: [number[], number[]] = [[], []]
  for (let round = 0; round < 60; round++) {
    times[0].push(await milliseconds(() => multiply(a, b)))
    times[1].push(await milliseconds(() => products.multiply(a, b)))
  }
  const [here, there] = times.map((list) => median(list.slice(10)))
  console.log(
    `${rows}×${inner}×${columns}, ${((rows * inner * columns) / 1e3).toFixed(0)} thousand multiplications: TypeScript ${here?.toFixed(2)} ms, ONNX Runtime ${there?.toFixed(2)} ms`,
  )
}
await products.close()
await runtime.close()
