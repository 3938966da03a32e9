// Fake quantisation: a node of this module's own that stands for Div, Clip, Round, Mul until the backward graph is built.
import { floatAttr, floatAttribute, intAttr, intAttribute, type Node } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { defineGradient, type GradientRule } from '../graph/rule.ts'

/** Domain of operators that exist only while a training graph is built. */
export const FAKE_DOMAIN = 'onnxpress.train'

export interface FakeQuantOptions {
  /** Lowest and highest code minus the zero point. */
  readonly low: number
  readonly high: number
  /** Factor of the scale's gradient, 1/√(elements that share it · high) (LSQ, section 2.2). */
  readonly gradientScale?: number
  /** Straight-through over half a step more on each side, where values still round to a code. */
  readonly outer?: boolean
  /** The scale is made from others, which are not trained through it. */
  readonly fixed?: boolean
}

/**
 * Puts a fake quantisation behind `x`: y = s·Round(Clip(x/s, low, high)), the grid of QuantizeLinear for an integer zero
 * point. `scale` is a value of a shape that broadcasts to x. Its inner values are outputs, so that the rule can read them.
 */
export function addFakeQuant(g: Emitter, x: string, scale: string, options: FakeQuantOptions): string {
  const dims = g.dims(x)
  const outputs = ['fake', 'ratio', 'inside', 'code'].map((part) => g.declare(g.editor.freshName(`${x}/${part}`), dims))
  const { low, high, gradientScale = 1, outer = false, fixed = false } = options
  g.editor.addNode({
    opType: 'FakeQuantize',
    domain: FAKE_DOMAIN,
    inputs: [x, scale],
    outputs,
    attributes: {
      low: floatAttr(low),
      high: floatAttr(high),
      gradient_scale: floatAttr(gradientScale),
      margin: floatAttr(outer ? 0.5 : 0),
      fixed: intAttr(fixed ? 1 : 0),
    },
  })
  return outputs[0] ?? ''
}

/**
 * Straight-through (arXiv 1308.3432) and learned step size (LSQ, arXiv 1902.08153, equations 3 and 5), v = x/s:
 * dx = dY·[v inside], ds = κ·Σ dY·(code − v·[v inside]).
 */
const fakeQuantize: GradientRule = defineGradient({
  op: 'FakeQuantize',
  build: (g, { node, inputs, outputs, dY }) => {
    const [, ratio = '', , code = ''] = outputs
    const scale = inputs[1] ?? ''
    const margin = floatAttribute(node, 'margin', 0)
    const low = g.scalar(floatAttribute(node, 'low', 0) - margin)
    const high = g.scalar(floatAttribute(node, 'high', 0) + margin)
    let through: string | undefined
    const passed = (): string => {
      through ??= g.times(dY, g.mask('Equal', ratio, g.add('Clip', [ratio, low, high], g.dims(ratio))))
      return through
    }
    if (intAttribute(node, 'fixed', 0) === 1) return [passed]
    return [
      passed,
      () => {
        const error = g.minus(g.times(dY, code), g.times(passed(), ratio))
        return g.scaled(g.sumTo(error, g.dims(scale)), floatAttribute(node, 'gradient_scale', 1))
      },
    ]
  },
})

/** Replaces all fake quantisations by the standard operators that they stand for. */
export function lowerFakeQuant(g: Emitter): void {
  for (const node of g.editor.nodes()) {
    if (node.domain !== FAKE_DOMAIN) continue
    const [low, high] = [g.scalar(floatAttribute(node, 'low', 0)), g.scalar(floatAttribute(node, 'high', 0))]
    g.editor.removeNode(node)
    for (const step of steps(node, low, high)) g.editor.addNode(step)
  }
}

function steps(node: Node, low: string, high: string): { opType: string; inputs: string[]; outputs: string[] }[] {
  const [x = '', scale = ''] = node.inputs
  const [y = '', ratio = '', inside = '', code = ''] = node.outputs
  return [
    { opType: 'Div', inputs: [x, scale], outputs: [ratio] },
    { opType: 'Clip', inputs: [ratio, low, high], outputs: [inside] },
    { opType: 'Round', inputs: [inside], outputs: [code] },
    { opType: 'Mul', inputs: [code, scale], outputs: [y] },
  ]
}

/** Is a node a fake quantisation? */
export function isFakeQuant(node: Node): boolean {
  return node.domain === FAKE_DOMAIN
}

export const fakeQuantRules: readonly GradientRule[] = [fakeQuantize]
