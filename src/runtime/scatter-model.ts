// Means and sums of products about them in one run of ONNX Runtime: float32 rows, centred before they are multiplied.
import type { TensorValue } from '../base/index.ts'
import { type AnyMatrix, addOuter, type Scatter } from '../math/index.ts'
import { intAttr, intsAttr, type Model, makeModel, makeNode, type Node } from '../onnx/index.ts'
import type { Session } from './session.ts'

interface Narrow extends AnyMatrix {
  readonly data: Float32Array
}

export function isNarrow(a: AnyMatrix): a is Narrow {
  return a.data instanceof Float32Array
}

/**
 * For x, and y with it: a first mean m, the mean r of what is left when m is taken off (a sum of many rows in float32 is
 * not exact), and the sums of products of what is left. Float32 is enough for these because the rows are centred: what is
 * lost is a millionth of the variances, a thousandth of the smallest ridge.
 */
export function scatterModel(withY: boolean): Model {
  const names = withY ? ['x', 'y'] : ['x']
  const nodes: Node[] = []
  const add = (opType: string, inputs: string[], output: string, attributes = {}) =>
    nodes.push(makeNode({ opType, inputs, outputs: [output], attributes }))
  const first = { axes: intsAttr([0]), keepdims: intAttr(1) }
  for (const name of names) {
    add('ReduceMean', [name], `${name}Mean`, first)
    add('Sub', [name, `${name}Mean`], `${name}Left`)
    add('ReduceMean', [`${name}Left`], `${name}Rest`, first)
    add('Gemm', [`${name}Left`, 'xLeft'], `${name}x`, { transA: intAttr(1) })
  }
  if (withY) add('ReduceSumSquare', ['yLeft'], 'yy', first)
  const outputs = [...names.flatMap((name) => [`${name}Mean`, `${name}Rest`, `${name}x`]), ...(withY ? ['yy'] : [])]
  return makeModel({
    name: 'scatter',
    nodes,
    inputs: names.map((name) => ({ name, dtype: 'float32', shape: ['rows', name] })),
    outputs: outputs.map((name) => ({ name, dtype: 'float32' })),
  })
}

/** Runs the model; x and y are handed over. */
export async function runScatter(session: Session, x: Narrow, y: Narrow | undefined): Promise<Scatter> {
  const value = ({ rows, columns, data }: Narrow): TensorValue => ({ dtype: 'float32', dims: [rows, columns], data })
  const { rows } = x
  const results = await session.run({ x: value(x), ...(y ? { y: value(y) } : {}) }, { handOver: ['x', 'y'] })
  const numbers = (name: string) => {
    const data = results[name]?.data
    return data instanceof Float32Array ? new Float64Array(data) : new Float64Array(0)
  }
  const [restX, restY] = [numbers('xRest'), numbers('yRest')]
  const [xx, yx, yy] = [numbers('xx'), numbers('yx'), numbers('yy')]
  addOuter(xx, restX, restX, -rows)
  addOuter(yx, restY, restX, -rows)
  for (const [o, rest] of restY.entries()) yy[o]! -= rows * rest * rest
  const plus = (a: Float64Array, b: Float64Array) => a.map((mean, i) => mean + b[i]!)
  return { meanX: plus(numbers('xMean'), restX), meanY: plus(numbers('yMean'), restY), xx, yx, yy }
}
