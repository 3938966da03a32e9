// Matrices made orthogonal, all of a model in one run of ONNX Runtime: Newton–Schulz iterations, nothing but products.
import { sizeOf } from '../../base/index.ts'
import { floatAttr, intAttr, type Model, makeModel, makeNode, type Node, Tensor } from '../../onnx/index.ts'
import { type Runtime, type Values, withSession } from '../../runtime/index.ts'

/** A matrix by name: an array of `dims`, the first of them its rows. */
export interface NamedMatrix {
  readonly name: string
  readonly dims: readonly number[]
}

/** X ← a·X + (b·X·Xᵀ + c·(X·Xᵀ)²)·X brings singular values between 0 and 1 near 1 in five rounds (Jordan et al., Muon, 2024). */
const [A, B, C] = [3.4445, -4.775, 2.0315]
const ROUNDS = 5

/**
 * The model that takes matrices G = U·S·Vᵀ and gives them as U·S'·Vᵀ with all of S' near one number, so that the root mean
 * square of the elements is 1. A matrix of zeros stays one.
 */
export function orthogonalModel(matrices: readonly NamedMatrix[]): Model {
  const nodes: Node[] = []
  const initializers: Record<string, Tensor> = { tiny: Tensor.from('float32', [], Float32Array.of(1e-20)) }
  const add = (opType: string, inputs: string[], output: string, attributes = {}): string => {
    nodes.push(makeNode({ opType, inputs, outputs: [output], attributes }))
    return output
  }
  /** The elements over √(Σ x²)·factor. */
  const scaled = (x: string, factor: number, output: string): string => {
    const norm = add('ReduceL2', [x], `${output}/norm`, { keepdims: intAttr(0) })
    initializers[`${output}/factor`] = Tensor.from('float32', [], Float32Array.of(factor))
    const length = add('Mul', [norm, `${output}/factor`], `${output}/length`)
    return add('Div', [x, add('Max', [length, 'tiny'], `${output}/size`)], output)
  }
  for (const [i, { dims }] of matrices.entries()) {
    const [rows = 1] = dims
    const columns = sizeOf(dims) / rows
    // The products are as small as the shorter side.
    const wide = rows <= columns
    let x = scaled(inputName(i), 1, `x${i}`)
    for (let round = 0; round < ROUNDS; round++) {
      const name = `x${i}/${round}`
      const square = add('Gemm', [x, x], `${name}/square`, wide ? { transB: intAttr(1) } : { transA: intAttr(1) })
      const curve = { alpha: floatAttr(C), beta: floatAttr(B) }
      const factor = add('Gemm', [square, square, square], `${name}/factor`, curve)
      x = add('Gemm', wide ? [factor, x, x] : [x, factor, x], name, { beta: floatAttr(A) })
    }
    scaled(x, 1 / Math.sqrt(rows * columns), outputName(i))
  }
  return makeModel({
    name: 'orthogonal',
    nodes,
    initializers,
    inputs: matrices.map((matrix, i) => ({ name: inputName(i), dtype: 'float32', shape: flat(matrix) })),
    outputs: matrices.map((_, i) => ({ name: outputName(i), dtype: 'float32' })),
  })
}

const inputName = (i: number): string => `g${i}`
const outputName = (i: number): string => `o${i}`

const flat = ({ dims: [rows = 1, ...rest] }: NamedMatrix): number[] => [rows, sizeOf(rest)]

/** Matrices, by name, to orthogonal ones. What is given is handed over and empty afterwards. */
export type Orthogonalize = (matrices: ReadonlyMap<string, Float32Array>) => Promise<Map<string, Float32Array>>

/** Opens the model for these matrices, hands its use to `work`, and closes it. */
export async function withOrthogonal<T>(
  runtime: Runtime,
  matrices: readonly NamedMatrix[],
  work: (orthogonalize: Orthogonalize) => Promise<T>,
): Promise<T> {
  if (matrices.length === 0) return work(async () => new Map())
  return withSession(runtime, orthogonalModel(matrices), { label: 'the optimiser' }, (session) =>
    work(async (given) => {
      const feeds: Values = Object.fromEntries(
        matrices.map((matrix, i) => {
          const data = given.get(matrix.name) ?? new Float32Array(sizeOf(matrix.dims))
          return [inputName(i), { dtype: 'float32' as const, dims: flat(matrix), data }]
        }),
      )
      const results = await session.run(feeds, { handOver: Object.keys(feeds) })
      return new Map(
        matrices.flatMap(({ name }, i): [string, Float32Array][] => {
          const data = results[outputName(i)]?.data
          return data instanceof Float32Array ? [[name, data]] : []
        }),
      )
    }),
  )
}
