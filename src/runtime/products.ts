// The big products of linear algebra through ONNX Runtime: float64 Gemm, 20 times faster than TypeScript.
import type { TensorValue } from '../base/index.ts'
import {
  type AnyMatrix,
  checkInner,
  gram,
  type Matrix,
  multiply,
  type Products,
  quadratic,
  scatter,
  type Transposed,
} from '../math/index.ts'
import { type DType, intAttr, type Model, makeModel, makeNode, type Node, Tensor } from '../onnx/index.ts'
import { isNarrow, runScatter, scatterModel } from './scatter-model.ts'
import type { Runtime, Session } from './session.ts'

/** Products over sessions that stay open until `close`. */
export interface RuntimeProducts extends Products {
  readonly close: () => Promise<void>
}

/** Below this many multiplications the way to the worker and back takes longer than TypeScript (`bench/products.ts`). */
const SMALL = 1e5

/**
 * Products by one-node float64 models with free shapes, one for each pair of element types and transposition, opened at
 * first use. Float32 factors are widened inside the model, so that only half the bytes travel.
 */
export function runtimeProducts(
  runtime: Runtime,
  { small = SMALL }: { readonly small?: number } = {},
): RuntimeProducts {
  const sessions = new Map<string, Promise<Session>>()
  const sessionFor = (key: string, make: () => Model): Promise<Session> => {
    const known = sessions.get(key)
    if (known) return known
    const opened = runtime.open(make(), { label: 'a matrix product' })
    sessions.set(key, opened)
    return opened
  }
  return {
    multiply: async (a, b, transposed = {}) => {
      const [rows, inner] = transposed.a ? [a.columns, a.rows] : [a.rows, a.columns]
      const [, columns] = transposed.b ? [b.columns, b.rows] : [b.rows, b.columns]
      checkInner({ ...a, rows, columns: inner }, transposed.b ? { ...b, rows: b.columns, columns: b.rows } : b)
      if (rows * inner * columns < small) return multiply(a, b, transposed)
      const key = [typeOf(a), typeOf(b), transposed.a ?? false, transposed.b ?? false].join()
      const session = await sessionFor(key, () => productModel([typeOf(a), typeOf(b)], transposed))
      const { spent } = transposed
      const handOver = spent === 'both' ? ['a', 'b'] : spent === undefined ? [] : [spent]
      return run(session, { a: asValue(a), b: asValue(b) }, { rows, columns }, handOver)
    },
    quadratic: async (a, h) => {
      checkInner(a, h)
      if (a.rows * h.rows * h.columns < small) return quadratic(a, h)
      const session = await sessionFor('quadratic', quadraticModel)
      const { y } = await session.run({ a: asValue(narrow(a)), h: asValue(narrow(h)) }, { handOver: ['a'] })
      return Float64Array.from(y?.data instanceof Float32Array ? y.data : [])
    },
    gram: async (a) => {
      if (a.rows * a.columns * a.columns < small) return gram(a)
      const session = await sessionFor(`gram ${typeOf(a)}`, () => productModel([typeOf(a)], { a: true }))
      return run(session, { a: asValue(a) }, { rows: a.columns, columns: a.columns })
    },
    scatter: async (x, y) => {
      if (!isNarrow(x) || (y && !isNarrow(y)) || x.rows * x.columns * x.columns < small) return scatter(x, y)
      const session = await sessionFor(`scatter ${y !== undefined}`, () => scatterModel(y !== undefined))
      return runScatter(session, x, y)
    },
    close: async () => {
      const open = [...sessions.values()]
      sessions.clear()
      // One that could not be opened was an error to whoever asked for it.
      for (const session of open) await (await session.catch(() => undefined))?.close()
    },
  }
}

async function run(
  session: Session,
  feeds: Record<string, TensorValue>,
  { rows, columns }: Omit<Matrix, 'data'>,
  handOver: readonly string[] = [],
): Promise<Matrix> {
  const { y } = await session.run(feeds, { handOver })
  return { rows, columns, data: y?.data instanceof Float64Array ? y.data : new Float64Array(rows * columns) }
}

type Wide = 'float32' | 'float64'

function typeOf(a: AnyMatrix): Wide {
  return a.data instanceof Float32Array ? 'float32' : 'float64'
}

function asValue({ rows, columns, data }: AnyMatrix): TensorValue {
  const dims = [rows, columns]
  return data instanceof Float32Array ? { dtype: 'float32', dims, data } : { dtype: 'float64', dims, data }
}

function narrow(a: AnyMatrix): AnyMatrix {
  return a.data instanceof Float32Array ? a : { ...a, data: new Float32Array(a.data) }
}

/** Σ_j (a·h)[i, j]·a[i, j] in float32. */
function quadraticModel(): Model {
  return makeModel({
    name: 'quadratic',
    nodes: [
      makeNode({ opType: 'Gemm', inputs: ['a', 'h'], outputs: ['ah'] }),
      makeNode({ opType: 'Mul', inputs: ['ah', 'a'], outputs: ['terms'] }),
      makeNode({
        opType: 'ReduceSum',
        inputs: ['terms', 'last'],
        outputs: ['y'],
        attributes: { keepdims: intAttr(0) },
      }),
    ],
    inputs: [
      { name: 'a', dtype: 'float32', shape: ['rows', 'n'] },
      { name: 'h', dtype: 'float32', shape: ['n', 'n'] },
    ],
    outputs: [{ name: 'y', dtype: 'float32' }],
    initializers: { last: Tensor.from('int64', [1], [1]) },
  })
}

/** One type: aᵀ·a or a·a; two: op(a)·op(b). */
function productModel(types: readonly Wide[], transposed: Transposed): Model {
  const nodes: Node[] = []
  const DOUBLE = 11
  const names = types.map((dtype, index) => {
    const name = index === 0 ? 'a' : 'b'
    if (dtype === 'float64') return name
    const attributes = { to: intAttr(DOUBLE) }
    nodes.push(makeNode({ opType: 'Cast', inputs: [name], outputs: [`${name}64`], attributes }))
    return `${name}64`
  })
  const attributes = { transA: intAttr(transposed.a ? 1 : 0), transB: intAttr(transposed.b ? 1 : 0) }
  nodes.push(makeNode({ opType: 'Gemm', inputs: [names[0]!, names.at(-1)!], outputs: ['y'], attributes }))
  const declare = (name: string, dtype: DType) => ({ name, dtype, shape: [`${name}0`, `${name}1`] })
  return makeModel({
    name: 'product',
    nodes,
    inputs: types.map((dtype, index) => declare(index === 0 ? 'a' : 'b', dtype)),
    outputs: [declare('y', 'float64')],
  })
}
