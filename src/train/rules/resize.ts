// Resize, nearest and linear: along each axis a small matrix, whose transpose takes the gradient back.
import { UnsupportedError } from '../../base/index.ts'
import { intAttribute, type Node, nodeName, stringAttribute } from '../../onnx/index.ts'
import { defineUnary, type GradientRule } from '../graph/rule.ts'
import { alongAxis } from './axis.ts'

const resize = defineUnary('Resize', (g, site) => {
  const { node, inputs, x, y, dY } = site
  const [from, to] = [g.dims(x), g.dims(y)]
  const mode = stringAttribute(node, 'mode', 'nearest')
  const coordinates = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel')
  if ((mode !== 'nearest' && mode !== 'linear') || intAttribute(node, 'antialias', 0) === 1)
    throw refusal(node, `${mode}${intAttribute(node, 'antialias', 0) === 1 ? ' with antialias' : ''}`)
  if (coordinates === 'tf_crop_and_resize') throw refusal(node, coordinates)
  const scales = inputs[2] ? site.constant(2)?.floats() : undefined
  let gradient = dY
  for (const [axis, size] of from.entries()) {
    const result = to[axis] ?? 1
    if (result === size) continue
    const scale = scales && scales.length === from.length ? (scales[axis] ?? 1) : result / size
    const position = (i: number) => sourceOf(i, { size, result, scale, coordinates })
    const matrix = new Float32Array(result * size)
    for (let i = 0; i < result; i++) {
      const at = position(i)
      if (mode === 'nearest') matrix[i * size + nearest(at, size, node)] = 1
      else {
        const inside = Math.min(Math.max(at, 0), size - 1)
        const low = Math.floor(inside)
        const high = Math.min(low + 1, size - 1)
        matrix[i * size + low]! += 1 - (inside - low)
        matrix[i * size + high]! += inside - low
      }
    }
    gradient = alongAxis(g, gradient, { axis, size }, matrix)
  }
  return gradient
})

function refusal(node: Node, what: string): UnsupportedError {
  return new UnsupportedError(
    `cannot train through node "${nodeName(node)}": Resize by ${what} has no gradient rule; nearest and linear have`,
    { node: nodeName(node), op: node.opType, code: 'no-gradient-rule' },
  )
}

/** An axis before and after it was resized, and how coordinates are transformed. */
interface ResizedAxis {
  readonly size: number
  readonly result: number
  readonly scale: number
  readonly coordinates: string
}

/** Where output i lies in the input. */
function sourceOf(i: number, { size, result, scale, coordinates }: ResizedAxis): number {
  switch (coordinates) {
    case 'asymmetric':
      return i / scale
    case 'align_corners':
      return result === 1 ? 0 : (i * (size - 1)) / (result - 1)
    case 'pytorch_half_pixel':
      return result > 1 ? (i + 0.5) / scale - 0.5 : 0
    case 'half_pixel_symmetric': {
      const adjustment = result / (scale * size)
      return (size / 2) * (1 - adjustment) + (i + 0.5) / scale - 0.5
    }
    default:
      return (i + 0.5) / scale - 0.5
  }
}

function nearest(at: number, size: number, node: Node): number {
  const mode = stringAttribute(node, 'nearest_mode', 'round_prefer_floor')
  const rounded =
    mode === 'floor'
      ? Math.floor(at)
      : mode === 'ceil'
        ? Math.ceil(at)
        : mode === 'round_prefer_ceil'
          ? Math.floor(at + 0.5)
          : Math.ceil(at - 0.5)
  return Math.min(Math.max(rounded, 0), size - 1)
}

export const resizeRules: readonly GradientRule[] = [resize]
