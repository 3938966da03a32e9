// Activations. A kink has the gradient of one of its sides; masks are Cast and Mul, which are faster than Where.
import { floatAttr, floatAttribute, stringAttribute } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { defineGradient, defineUnary, type GradientRule } from '../graph/rule.ts'

const positive = (g: Emitter, x: string) => g.mask('Greater', x, g.scalar(0))
const oneMinus = (g: Emitter, x: string) => g.minus(g.scalar(1), x)

/** Slope a where x ≤ 0, else 1, from the mask of x > 0. */
const sloped = (g: Emitter, mask: string, slope: string) => g.plus(mask, g.times(oneMinus(g, mask), slope))

/** Takes every normal float above 0 to 1 or more. */
const STEEP = 3e38

/** The mask of a y that is never negative is min(1, steep·y): one pass over a map, where comparing and casting are two. */
const relu = defineUnary('Relu', (g, { y, dY }) => {
  const attributes = { alpha: floatAttr(STEEP), beta: floatAttr(0) }
  return g.times(dY, g.unary('HardSigmoid', y, attributes))
})

const leakyRelu = defineUnary('LeakyRelu', (g, { node, x, dY }) =>
  g.times(dY, sloped(g, positive(g, x), g.scalar(floatAttribute(node, 'alpha', 0.01)))),
)

const pRelu: GradientRule = defineGradient({
  op: 'PRelu',
  build: (g, { inputs, x, dY }) => {
    const slope = inputs[1] ?? ''
    return [
      () => g.times(dY, sloped(g, positive(g, x), slope)),
      () => g.sumTo(g.times(dY, g.binary('Min', x, g.scalar(0))), g.dims(slope)),
    ]
  },
})

/** dY where the value went through unchanged: one comparison instead of two, the bounds themselves count as inside. */
const clip: GradientRule = defineGradient({
  op: 'Clip',
  build: (g, { x, y, dY }) => [() => g.times(dY, g.mask('Equal', x, y))],
})

const sigmoid = defineUnary('Sigmoid', (g, { y, dY }) => g.times(dY, g.times(y, oneMinus(g, y))))
const tanh = defineUnary('Tanh', (g, { y, dY }) => g.times(dY, oneMinus(g, g.times(y, y))))

/** α·dY where 0 < αx + β < 1, which is where 0 < y < 1. */
const hardSigmoid = defineUnary('HardSigmoid', (g, { node, y, dY }) => {
  const inside = g.times(positive(g, y), g.mask('Less', y, g.scalar(1)))
  return g.scaled(g.times(dY, inside), floatAttribute(node, 'alpha', 0.2))
})

/** x·HardSigmoid(x), α = 1/6, β = 1/2: (2x + 3)/6 between −3 and 3, 1 above. */
const hardSwish = defineUnary('HardSwish', (g, { x, dY }) => {
  const above = g.mask('GreaterOrEqual', x, g.scalar(3))
  const inside = g.times(g.mask('Greater', x, g.scalar(-3)), g.mask('Less', x, g.scalar(3)))
  const slope = g.plus(g.scaled(x, 1 / 3), g.scalar(0.5))
  return g.times(dY, g.plus(above, g.times(inside, slope)))
})

/** Gelu: Φ(x) + x·φ(x); with tanh the derivative of its formula. */
const gelu = defineUnary('Gelu', (g, { node, x, dY }) =>
  g.times(dY, stringAttribute(node, 'approximate', 'none') === 'tanh' ? tanhGeluSlope(g, x) : geluSlope(g, x)),
)

function geluSlope(g: Emitter, x: string): string {
  const phi = g.scaled(g.unary('Exp', g.scaled(g.times(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI))
  const below = g.scaled(g.plus(g.unary('Erf', g.scaled(x, Math.SQRT1_2)), g.scalar(1)), 0.5)
  return g.plus(below, g.times(x, phi))
}

function tanhGeluSlope(g: Emitter, x: string): string {
  const scale = Math.sqrt(2 / Math.PI)
  const square = g.times(x, x)
  const inner = g.times(x, g.plus(g.scaled(square, scale * 0.044715), g.scalar(scale)))
  const t = g.unary('Tanh', inner)
  const slope = g.plus(g.scaled(square, 3 * scale * 0.044715), g.scalar(scale))
  const left = g.scaled(g.plus(t, g.scalar(1)), 0.5)
  return g.plus(left, g.scaled(g.times(g.times(x, oneMinus(g, g.times(t, t))), slope), 0.5))
}

const erf = defineUnary('Erf', (g, { x, dY }) =>
  g.times(dY, g.scaled(g.unary('Exp', g.unary('Neg', g.times(x, x))), 2 / Math.sqrt(Math.PI))),
)
const softplus = defineUnary('Softplus', (g, { x, dY }) => g.times(dY, g.unary('Sigmoid', x)))
const softsign = defineUnary('Softsign', (g, { x, dY }) => {
  const root = g.plus(g.unary('Abs', x), g.scalar(1))
  return g.over(dY, g.times(root, root))
})

/** α(eˣ − 1) below 0, where the slope is y + α. */
const elu = defineUnary('Elu', (g, { node, x, y, dY }) => {
  const above = positive(g, x)
  const below = g.times(oneMinus(g, above), g.plus(y, g.scalar(floatAttribute(node, 'alpha', 1))))
  return g.times(dY, g.plus(above, below))
})

/** x·tanh(softplus(x)). */
const mish = defineUnary('Mish', (g, { x, dY }) => {
  const t = g.unary('Tanh', g.unary('Softplus', x))
  const slope = g.times(g.times(x, oneMinus(g, g.times(t, t))), g.unary('Sigmoid', x))
  return g.times(dY, g.plus(t, slope))
})

export const activationRules: readonly GradientRule[] = [
  relu,
  leakyRelu,
  pRelu,
  clip,
  sigmoid,
  tanh,
  hardSigmoid,
  hardSwish,
  gelu,
  erf,
  softplus,
  softsign,
  elu,
  mish,
]
