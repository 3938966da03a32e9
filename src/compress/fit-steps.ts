// The two large steps of a fit as models of ONNX Runtime: each takes the covariance along once, instead of once a product.
import type { TensorValue } from '../base/index.ts'
import type { Matrix, Products } from '../math/index.ts'
import {
  type DType,
  type Graph,
  intAttr,
  intsAttr,
  type Model,
  makeModel,
  makeNode,
  type Node,
  Tensor,
  type ValueInfo,
} from '../onnx/index.ts'
import { type Runtime, runtimeProducts, type Session, type Values } from '../runtime/index.ts'

/** Products and, where the engine has them, whole steps of a fit; without them they are done product by product. */
export interface FitProducts extends Products {
  /**
   * G = cov(z, z) [rank·across, rank·across] and R = cov(y, z) [n, rank·across] of the features
   * z[r, b] = Σ_j V[r, j]·x[b, j], index r·across + b, of C [across·width, across·width], B [n, across·width] and V.
   */
  readonly features?: (
    covariance: Matrix,
    cross: Matrix,
    first: Matrix,
  ) => Promise<{ readonly g: Matrix; readonly r: Matrix }>
  /**
   * Conjugate gradients for V [rank, width] with Hᵀ·((H·V)·C) = right, where (H·V) [n·across, width] is read as
   * [n, across·width]; at most `steps` of them from V = `start`, preconditioned by `inverse`, elements of a diagonal's
   * inverse. Ends when the square of the residual is at most `limit`.
   */
  readonly conjugateGradients?: (system: FirstFactorSystem) => Promise<Matrix>
}

export interface FirstFactorSystem {
  /** H, [n·across, rank] */
  readonly second: Matrix
  /** C, [across·width, across·width] */
  readonly covariance: Matrix
  readonly right: Matrix
  readonly start: Matrix
  readonly inverse: Float64Array
  readonly steps: number
  readonly limit: number
}

export interface RuntimeFitProducts extends FitProducts {
  readonly close: () => Promise<void>
}

/** Products and steps through ONNX Runtime, over sessions that stay open until `close`. */
export function fitProducts(runtime: Runtime): RuntimeFitProducts {
  const products = runtimeProducts(runtime)
  const open = (model: Model) => runtime.open(model, { label: 'a step of a fit' })
  let features: Promise<Session> | undefined
  let gradients: Promise<Session> | undefined
  return {
    ...products,
    features: async (covariance, cross, first) => {
      features ??= open(featuresModel())
      return runFeatures(await features, covariance, cross, first)
    },
    conjugateGradients: async (system) => {
      gradients ??= open(gradientsModel())
      return runGradients(await gradients, system)
    },
    close: async () => {
      await products.close()
      for (const session of [features, gradients]) await (await session?.catch(() => undefined))?.close()
    },
  }
}

async function runFeatures(session: Session, covariance: Matrix, cross: Matrix, first: Matrix) {
  const { rows: rank, columns: width } = first
  const across = covariance.rows / width
  const n = cross.rows
  const { g, r } = await session.run({
    c: wide(covariance),
    b: wide(cross),
    v: wide(first),
    flat: shape(-1, width),
    half: shape(across, width, across * rank),
    blocks: shape(across, rank, across, rank),
    square: shape(rank * across, rank * across),
    outputs: shape(n, across, rank),
    rows: shape(n, rank * across),
  })
  return {
    g: { rows: rank * across, columns: rank * across, data: numbers(g) },
    r: { rows: n, columns: rank * across, data: numbers(r) },
  }
}

function featuresModel(): Model {
  const graph = new Lines()
  graph.add('Transpose', ['v'], 'vT', { perm: intsAttr([1, 0]) })
  // Rows (b, j, b'), columns j' → (b', s).
  graph.add('Reshape', ['c', 'flat'], 'cFlat')
  graph.add('MatMul', ['cFlat', 'vT'], 'cv')
  graph.add('Reshape', ['cv', 'half'], 'cvHalf')
  graph.add('MatMul', ['v', 'cvHalf'], 'vcv')
  graph.add('Reshape', ['vcv', 'blocks'], 'gBlocks')
  graph.add('Transpose', ['gBlocks'], 'gTurned', { perm: intsAttr([1, 0, 3, 2]) })
  graph.add('Reshape', ['gTurned', 'square'], 'g')
  graph.add('Reshape', ['b', 'flat'], 'bFlat')
  graph.add('MatMul', ['bFlat', 'vT'], 'bv')
  graph.add('Reshape', ['bv', 'outputs'], 'rBlocks')
  graph.add('Transpose', ['rBlocks'], 'rTurned', { perm: intsAttr([0, 2, 1]) })
  graph.add('Reshape', ['rTurned', 'rows'], 'r')
  const shapes = ['flat', 'half', 'blocks', 'square', 'outputs', 'rows']
  return makeModel({
    name: 'features',
    nodes: graph.nodes,
    inputs: [...['c', 'b', 'v'].map((name) => value(name, 'float64')), ...shapes.map((name) => value(name, 'int64'))],
    outputs: [value('g', 'float64'), value('r', 'float64')],
  })
}

async function runGradients(session: Session, system: FirstFactorSystem): Promise<Matrix> {
  const { second, covariance, right, start, inverse, steps, limit } = system
  const { rows: rank, columns: width } = start
  const feeds: Values = {
    c: wide(covariance),
    h: wide(second),
    right: wide(right),
    x0: wide(start),
    inverse: wide({ rows: rank, columns: width, data: inverse }),
    limit: { dtype: 'float64', dims: [], data: Float64Array.of(limit) },
    steps: { dtype: 'int64', dims: [], data: BigInt64Array.of(BigInt(steps)) },
    kernel: shape(-1, covariance.rows),
    flat: shape(-1, width),
  }
  const { x } = await session.run(feeds)
  return { rows: rank, columns: width, data: numbers(x) }
}

function gradientsModel(): Model {
  const whole = new Lines()
  whole.add('Transpose', ['h'], 'hT', { perm: intsAttr([1, 0]) })
  whole.product('x0', 'mapped0')
  whole.add('Sub', ['right', 'mapped0'], 'r0')
  whole.add('Mul', ['inverse', 'r0'], 'p0')
  whole.inner('r0', 'p0', 'rho0')
  whole.inner('r0', 'r0', 'square0')
  whole.add('Greater', ['square0', 'limit'], 'more0')
  whole.add('Loop', ['steps', 'more0', 'x0', 'r0', 'p0', 'rho0'], ['x', 'r', 'p', 'rho'], {
    body: { type: 'graph', value: gradientStep() },
  })
  const names = ['c', 'h', 'right', 'x0', 'inverse', 'limit']
  return makeModel({
    name: 'conjugate gradients',
    nodes: whole.nodes,
    initializers: { zero: Tensor.from('float64', [], Float64Array.of(0)) },
    inputs: [
      ...names.map((name) => value(name, 'float64')),
      ...['steps', 'kernel', 'flat'].map((name) => value(name, 'int64')),
    ],
    outputs: [value('x', 'float64')],
  })
}

/** One step: from the solution, the residual, the direction and ρ = residual·(inverse·residual) to the next ones. */
function gradientStep(): Graph {
  const step = new Lines()
  step.product('xP', 'mapped')
  step.inner('xP', 'mapped', 'curvature')
  step.add('Greater', ['curvature', 'zero'], 'curved')
  step.add('Div', ['xRho', 'curvature'], 'ratio')
  // A direction without curvature cannot be followed.
  step.add('Where', ['curved', 'ratio', 'zero'], 'length')
  step.add('Mul', ['length', 'xP'], 'move')
  step.add('Add', ['xX', 'move'], 'nextX')
  step.add('Mul', ['length', 'mapped'], 'change')
  step.add('Sub', ['xR', 'change'], 'nextR')
  step.add('Mul', ['inverse', 'nextR'], 'z')
  step.inner('nextR', 'z', 'nextRho')
  step.add('Div', ['nextRho', 'xRho'], 'beta')
  step.add('Mul', ['beta', 'xP'], 'kept')
  step.add('Add', ['z', 'kept'], 'nextP')
  step.inner('nextR', 'nextR', 'square')
  step.add('Greater', ['square', 'limit'], 'far')
  step.add('And', ['curved', 'far'], 'more')
  return {
    name: 'step',
    nodes: step.nodes,
    initializers: new Map(),
    inputs: [
      { name: 'index', dtype: 'int64', shape: [] },
      { name: 'goOn', dtype: 'bool', shape: [] },
      ...['xX', 'xR', 'xP', 'xRho'].map((name) => value(name, 'float64')),
    ],
    outputs: [value('more', 'bool'), ...['nextX', 'nextR', 'nextP', 'nextRho'].map((name) => value(name, 'float64'))],
    valueInfo: new Map(),
  }
}

/** Nodes, one after the other. */
class Lines {
  readonly nodes: Node[] = []

  add(
    opType: string,
    inputs: string[],
    outputs: string | string[],
    attributes: Parameters<typeof makeNode>[0]['attributes'] = {},
  ) {
    const list = typeof outputs === 'string' ? [outputs] : outputs
    this.nodes.push(makeNode({ opType, inputs, outputs: list, attributes }))
  }

  /** Hᵀ·((H·v)·C) */
  product(v: string, output: string): void {
    this.add('MatMul', ['h', v], `${output}/hv`)
    this.add('Reshape', [`${output}/hv`, 'kernel'], `${output}/kernel`)
    this.add('MatMul', [`${output}/kernel`, 'c'], `${output}/mapped`)
    this.add('Reshape', [`${output}/mapped`, 'flat'], `${output}/flat`)
    this.add('MatMul', ['hT', `${output}/flat`], output)
  }

  /** Σ a·b over all elements. */
  inner(a: string, b: string, output: string): void {
    this.add('Mul', [a, b], `${output}/terms`)
    this.add('ReduceSum', [`${output}/terms`], output, { keepdims: intAttr(0) })
  }
}

const value = (name: string, dtype: DType): ValueInfo => ({ name, dtype })

function wide({ rows, columns, data }: Matrix): TensorValue {
  return { dtype: 'float64', dims: [rows, columns], data }
}

function shape(...dims: number[]): TensorValue {
  return { dtype: 'int64', dims: [dims.length], data: BigInt64Array.from(dims, BigInt) }
}

function numbers(found: TensorValue | undefined): Float64Array {
  if (!(found?.data instanceof Float64Array)) throw new Error('a step of a fit gave no float64 numbers')
  return found.data
}
