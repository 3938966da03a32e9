// Conv on blocked maps, with weights that change from step to step: they are brought into the kernel's order in the graph.
import {
  type Attribute,
  intAttribute,
  intsAttribute,
  isOp,
  type Node,
  stringAttr,
  stringAttribute,
} from '../../onnx/index.ts'
import { convAttributes } from '../rules/conv-input.ts'
import { BLOCKED_DOMAIN } from './block-size.ts'
import type { Layouts } from './layouts.ts'

/** More multiplications through filled-up channels than this many times those needed are not worth it. */
const MOST_WASTE = 4

/**
 * How a Conv runs in blocks.
 * 1. dense: blocks in, blocks out; also groups of whole blocks;
 * 2. direct: few input channels, read in the plain layout;
 * 3. depthwise; its weight may be a map that is blocked already.
 */
export type Form = 'dense' | 'direct' | 'depthwise'

/** The form in which a Conv can run in blocks, if it can. */
export function blockedForm(layouts: Layouts, node: Node): Form | undefined {
  const { g, block } = layouts
  const [x = '', w = '', bias = ''] = node.inputs
  if (!isOp(node, 'Conv') || stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return undefined
  const dims = g.dims(x)
  if (dims.length !== 4 || !isFloat32(layouts, x) || !isFloat32(layouts, w)) return undefined
  if (bias !== '' && !isFloat32(layouts, bias)) return undefined
  const channels = dims[1] ?? 1
  const outputs = g.dims(w)[0] ?? 1
  const groups = intAttribute(node, 'group', 1)
  if (groups > 1 && groups === channels && outputs === channels)
    return layouts.filled(channels) <= MOST_WASTE * channels ? 'depthwise' : undefined
  if (groups > 1)
    return (channels / groups) % block === 0 && (outputs / groups) % block === 0 && layouts.canBlock(x)
      ? 'dense'
      : undefined
  const waste = layouts.filled(outputs) / outputs
  if (channels < block && !layouts.isBlocked(x)) return waste <= MOST_WASTE ? 'direct' : undefined
  return waste * (layouts.filled(channels) / channels) <= MOST_WASTE ? 'dense' : undefined
}

function isFloat32({ g }: Layouts, value: string): boolean {
  return g.known(value).dtype === 'float32'
}

/** What a blocked convolution gives, and what is fused with it. */
export interface BlockedResult {
  /** What the result stands for. */
  readonly value: string
  /** A value that is added to the result. */
  readonly sum?: string | undefined
  readonly relu?: boolean
}

/** Emits the convolution. */
export function emitBlockedConv(layouts: Layouts, node: Node, form: Form, { value, ...fused }: BlockedResult): void {
  const { g } = layouts
  const [x = '', w = '', bias = ''] = node.inputs
  const weight = g.dims(w)
  const [batch = 1, outputs = 1, ...map] = g.dims(node.outputs[0] ?? '')
  const kernel = weight.slice(2)
  const groups = intAttribute(node, 'group', 1)
  const filled = layouts.filled(outputs)
  if (form === 'direct') layouts.plain(x)
  const inputs = [form === 'direct' ? x : layouts.blocked(x), blockedWeight(layouts, w, form)]
  const sum = fused.sum === undefined ? '' : layouts.blocked(fused.sum)
  if (bias !== '' || sum !== '') inputs.push(bias === '' ? '' : filledUp(layouts, bias))
  if (sum !== '') inputs.push(sum)
  const attributes: Record<string, Attribute> = {
    ...convAttributes({
      kernel,
      strides: intsAttribute(node, 'strides'),
      dilations: intsAttribute(node, 'dilations'),
      pads: intsAttribute(node, 'pads'),
      groups: form === 'depthwise' ? filled : groups,
    }),
    ...(fused.relu ? { activation: stringAttr('Relu') } : {}),
  }
  layouts.made(value, g.addOwn({ domain: BLOCKED_DOMAIN, opType: 'Conv' }, inputs, [batch, filled, ...map], attributes))
}

function filledUp(layouts: Layouts, bias: string): string {
  layouts.plain(bias)
  const [outputs = 1] = layouts.g.dims(bias)
  return layouts.g.pad(bias, [0, layouts.filled(outputs) - outputs])
}

/** The weight [M, C/g, kh, kw] as [M/B, C/g/B, kh, kw, B of C, B of M], declared in its own four dimensions. */
function blockedWeight(layouts: Layouts, w: string, form: Form): string {
  const { g, block } = layouts
  const ready = form === 'depthwise' ? layouts.filters.get(w) : undefined
  if (ready !== undefined) return ready
  layouts.plain(w)
  const [outputs = 1, channels = 1, ...kernel] = g.dims(w)
  const [rows, columns] = [layouts.filled(outputs), form === 'dense' ? layouts.filled(channels) : channels]
  const full = g.pad(w, [0, 0, ...kernel.map(() => 0), rows - outputs, columns - channels, ...kernel.map(() => 0)])
  const dims = [rows, columns, ...kernel]
  if (form === 'dense') {
    const split = g.reshape(full, [rows / block, block, columns / block, block, ...kernel])
    return g.reshape(g.transpose(split, [0, 2, 4, 5, 3, 1]), dims)
  }
  const split = g.reshape(full, [rows / block, block, columns, ...kernel])
  return g.reshape(g.transpose(split, [0, 2, 3, 4, 1]), dims)
}
