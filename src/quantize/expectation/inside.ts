// How often a tap of a kernel falls inside the image: at the borders a padded layer reads zeros instead.
import { intsAttribute, type Layer, type Node, type Shapes, stringAttribute } from '../../onnx/index.ts'

/** One spatial axis of a sliding window. */
interface Axis {
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly begin: number
  readonly input: number
  readonly output: number
}

/**
 * For each kernel position (row-major) of a layer, the share of output positions for which it reads the image. Counted
 * exactly; ones without padding, and where the shapes were not observed.
 */
export function tapShares({ node, facts, weight, view }: Layer, shapes: Shapes): Float64Array {
  const spreads = facts.window === 'spreads'
  const axes = axesOf(node, facts.window ? weight.shape.slice(2) : [], spreads, shapes)
  return outer(axes ? axes.map((axis) => sharesOf(axis, spreads)) : [], view?.positions ?? 1)
}

/** Mean share of a pool's window that lies inside the image. */
export function insideShare(node: Node, shapes: Shapes): number {
  const axes = axesOf(node, intsAttribute(node, 'kernel_shape') ?? [], false, shapes)
  let share = 1
  for (const axis of axes ?? []) {
    const list = sharesOf(axis, false)
    share *= list.reduce((sum, x) => sum + x, 0) / Math.max(1, list.length)
  }
  return share
}

function axesOf(node: Node, kernel: readonly number[], spreads: boolean, shapes: Shapes): Axis[] | undefined {
  const [before, after] = [node.inputs[0], node.outputs[0]].map((value) => shapes.get(value ?? '')?.dims.slice(2))
  if (!before || !after || before.length !== kernel.length) return undefined
  const strides = intsAttribute(node, 'strides')
  const dilations = intsAttribute(node, 'dilations')
  const pads = intsAttribute(node, 'pads')
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET')
  return kernel.map((size, i): Axis => {
    const [stride, dilation] = [strides?.[i] ?? 1, dilations?.[i] ?? 1]
    const [input, output] = [before[i] ?? 1, after[i] ?? 1]
    // What a SAME padding comes to; for a window that spreads the two sides change places.
    const [many, few] = spreads ? [output, input] : [input, output]
    const total = Math.max(0, (few - 1) * stride + (size - 1) * dilation + 1 - many)
    const same = auto === 'SAME_LOWER' ? Math.ceil(total / 2) : Math.floor(total / 2)
    const begin = auto.startsWith('SAME') ? same : (pads?.[i] ?? 0)
    return { kernel: size, stride, dilation, begin, input, output }
  })
}

function sharesOf({ kernel, stride, dilation, begin, input, output }: Axis, spreads: boolean): number[] {
  return Array.from({ length: kernel }, (_, u) => {
    let inside = 0
    const steps = spreads ? input : output
    for (let step = 0; step < steps; step++) {
      const at = step * stride + u * dilation - begin
      if (at >= 0 && at < (spreads ? output : input)) inside++
    }
    return inside / output
  })
}

/** Products over all axes, row-major. */
function outer(lists: readonly (readonly number[])[], size: number): Float64Array {
  if (lists.length === 0) return new Float64Array(size).fill(1)
  return Float64Array.from(lists.reduce((products, list) => products.flatMap((p) => list.map((x) => p * x)), [1]))
}
