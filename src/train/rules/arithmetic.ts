// Element-wise arithmetic; broadcasting is undone by sumTo.
import type { Emitter } from '../graph/emitter.ts'
import { defineGradient, defineUnary, type GradientRule, type Site } from '../graph/rule.ts'

/** A rule of two operands: their gradients before broadcasting is undone. */
function binary(
  op: string,
  gradients: (g: Emitter, a: string, b: string, site: Site) => readonly [() => string, () => string],
): GradientRule {
  return defineGradient({
    op,
    build: (g, site) => {
      const [a = '', b = ''] = site.inputs
      const [dA, dB] = gradients(g, a, b, site)
      return [() => g.sumTo(dA(), g.dims(a)), () => g.sumTo(dB(), g.dims(b))]
    },
  })
}

const add = binary('Add', (_g, _a, _b, { dY }) => [() => dY, () => dY])
const sub = binary('Sub', (g, _a, _b, { dY }) => [() => dY, () => g.unary('Neg', dY)])
const mul = binary('Mul', (g, a, b, { dY }) => [() => g.times(dY, b), () => g.times(dY, a)])
const div = binary('Div', (g, _a, b, { dY, y }) => [
  () => g.over(dY, b),
  () => g.unary('Neg', g.over(g.times(dY, y), b)),
])
/** Only for a base above 0 where the exponent is trained too. A square, as in variances, needs no power. */
const pow = binary('Pow', (g, a, b, { dY, y, constant }) => [
  () => {
    const exponent = constant(1)
    if (exponent?.size === 1 && exponent.numbers()[0] === 2) return g.times(dY, g.scaled(a, 2))
    return g.times(dY, g.times(b, g.binary('Pow', a, g.minus(b, g.scalar(1)))))
  },
  () => g.times(dY, g.times(y, g.unary('Log', a))),
])

/** Min, Max: the gradient goes to the first operand that was chosen. */
function chosen(op: string): GradientRule {
  return defineGradient({
    op,
    build: (g, { inputs, y, dY }) => {
      const taken: string[] = []
      return inputs.map((input, index) => () => {
        // Thunks run in order of the inputs, but those not needed are skipped: build the masks of all before.
        for (let i = taken.length; i <= index; i++) {
          const own = g.mask('Equal', inputs[i] ?? '', y)
          const before = taken.reduce((mask, other) => g.times(mask, g.minus(g.scalar(1), other)), own)
          taken.push(before)
        }
        return g.sumTo(g.times(dY, taken[index] ?? ''), g.dims(input))
      })
    },
  })
}

const sum: GradientRule = defineGradient({
  op: 'Sum',
  build: (g, { inputs, dY }) => inputs.map((input) => () => g.sumTo(dY, g.dims(input))),
})
const mean: GradientRule = defineGradient({
  op: 'Mean',
  build: (g, { inputs, dY }) => inputs.map((input) => () => g.scaled(g.sumTo(dY, g.dims(input)), 1 / inputs.length)),
})
const where: GradientRule = defineGradient({
  op: 'Where',
  build: (g, { inputs, dY }) => {
    const [condition = '', a = '', b = ''] = inputs
    const zero = g.scalar(0)
    const pick = (x: string, y: string) => g.add('Where', [condition, x, y], g.dims(dY))
    return [undefined, () => g.sumTo(pick(dY, zero), g.dims(a)), () => g.sumTo(pick(zero, dY), g.dims(b))]
  },
})

export const arithmeticRules: readonly GradientRule[] = [
  add,
  sub,
  mul,
  div,
  pow,
  chosen('Min'),
  chosen('Max'),
  sum,
  mean,
  where,
  defineUnary('Neg', (g, { dY }) => g.unary('Neg', dY)),
  defineUnary('Abs', (g, { x, dY }) => g.times(dY, g.unary('Sign', x))),
  defineUnary('Exp', (g, { y, dY }) => g.times(dY, y)),
  defineUnary('Log', (g, { x, dY }) => g.over(dY, x)),
  defineUnary('Sqrt', (g, { y, dY }) => g.over(g.scaled(dY, 0.5), y)),
  defineUnary('Reciprocal', (g, { y, dY }) => g.unary('Neg', g.times(dY, g.times(y, y)))),
  defineUnary('Sin', (g, { x, dY }) => g.times(dY, g.unary('Cos', x))),
  defineUnary('Cos', (g, { x, dY }) => g.unary('Neg', g.times(dY, g.unary('Sin', x)))),
]
