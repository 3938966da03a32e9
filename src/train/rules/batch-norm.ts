// BatchNormalization in training, on pictures: few passes over the maps, each a depthwise Conv that scales and shifts channels.
import { sizeOf } from '../../base/index.ts'
import { floatAttribute, intAttribute, isOp, type Node } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import type { Site, Thunk } from '../graph/rule.ts'
import { convAttributes } from './conv-input.ts'

const AXES = [0, 2, 3]

/** In training mode, with its batch's statistics as outputs (momentum 0), on [N, C, H, W]. */
export function isExpanded(g: Emitter, node: Node): boolean {
  const [x = ''] = node.inputs
  return (
    isOp(node, 'BatchNormalization') &&
    intAttribute(node, 'training_mode', 0) === 1 &&
    floatAttribute(node, 'momentum', 0.9) === 0 &&
    (node.outputs[1] ?? '') !== '' &&
    (node.outputs[2] ?? '') !== '' &&
    g.dims(x).length === 4
  )
}

/** x·scale + shift, a number a channel each: a depthwise Conv of one tap. */
function affine(g: Emitter, x: string, scale: string, shift?: string): string {
  const channels = g.dims(x)[1] ?? 1
  const inputs = [x, g.reshape(scale, [channels, 1, 1, 1]), ...(shift === undefined ? [] : [shift])]
  return g.add('Conv', inputs, g.dims(x), convAttributes({ kernel: [1, 1], groups: channels }))
}

/** Channels that every block size of ONNX Runtime's blocked layout divides. */
const WHOLE_BLOCKS = 16

/**
 * Σ a·b over all but the channels, [C]. In whole blocks each map of a is convolved with that of b, a picture of one position:
 * nothing of the size of a map is written. Else a product and its sum.
 */
function dot(g: Emitter, a: string, b: string): string {
  const [batch = 1, channels = 1, ...map] = g.dims(a)
  if (channels % WHOLE_BLOCKS !== 0) return g.sum(g.times(a, b), AXES)
  const maps = batch * channels
  const inputs = [g.reshape(a, [1, maps, ...map]), g.reshape(b, [maps, 1, ...map])]
  const attributes = convAttributes({ kernel: map, groups: maps })
  return g.sum(g.reshape(g.add('Conv', inputs, [1, maps, 1, 1], attributes), [batch, channels]), [0])
}

function nodeOf(g: Emitter, value: string): Node {
  const node = g.editor.producer(value)
  if (!node) throw new Error(`nothing makes "${value}"`)
  return node
}

/** x minus its batch's mean: read by both directions. */
function centred(g: Emitter, node: Node): string {
  const [x = ''] = node.inputs
  return g.once(`${node.name} centred`, () =>
    affine(g, x, g.filled([g.dims(x)[1] ?? 1], 1), g.unary('Neg', node.outputs[1] ?? '')),
  )
}

/** 1/√(variance + ε) */
function inverse(g: Emitter, node: Node): string {
  return g.once(`${node.name} inverse`, () => {
    const variance = g.plus(node.outputs[2] ?? '', g.scalar(floatAttribute(node, 'epsilon', 1e-5)))
    return g.unary('Reciprocal', g.unary('Sqrt', variance))
  })
}

/**
 * With m elements a channel, x̄ = x − mean and S = Σ dY·x̄: dβ = Σ dY, dγ = S·inv,
 * dx = γ·inv·dY − (γ·inv³·S/m)·x̄ − γ·inv·dβ/m.
 */
export function expandedGradient(g: Emitter, { node, inputs, x, dY }: Site): readonly (Thunk | undefined)[] {
  const scale = inputs[1] ?? ''
  const share = -(g.dims(x)[1] ?? 1) / sizeOf(g.dims(x))
  const total = () => g.once(`${node.name} total`, () => g.sum(dY, AXES))
  const product = () => g.once(`${node.name} product`, () => dot(g, centred(g, node), dY))
  const inputGradient = () => {
    const inv = inverse(g, node)
    const slope = g.times(scale, inv)
    const along = g.scaled(g.times(g.times(slope, product()), g.times(inv, inv)), share)
    const back = affine(g, centred(g, node), along, g.scaled(g.times(slope, total()), share))
    return g.plus(affine(g, dY, slope), back)
  }
  return [inputGradient, () => g.times(product(), inverse(g, node)), total]
}

/** Replaces every such node by mean, centred values, their mean square, and scaled centred values. */
export function expandBatchNorms(g: Emitter): void {
  for (const node of g.editor.nodes('BatchNormalization')) {
    if (!isExpanded(g, node)) continue
    const [x = '', scale = '', shift = ''] = node.inputs
    const [y = '', mean = '', variance = ''] = node.outputs
    const share = (g.dims(x)[1] ?? 1) / sizeOf(g.dims(x))
    g.editor.removeNode(node)
    const named = (value: string, name: string) =>
      g.editor.addNode({ opType: 'Identity', inputs: [value], outputs: [name] })
    named(g.scaled(g.sum(x, AXES), share), mean)
    const moved = centred(g, node)
    named(g.scaled(dot(g, moved, moved), share), variance)
    g.editor.setOutput(nodeOf(g, affine(g, moved, g.times(scale, inverse(g, node)), shift)), 0, y)
  }
}
