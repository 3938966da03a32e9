// auto_pad becomes pads: what pads is written down, and folding and integer kernels can rely on it.
import {
  type GraphEditor,
  intAttribute,
  intsAttr,
  intsAttribute,
  type Node,
  type Shapes,
  stringAttribute,
} from '../onnx/index.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'
import { hasStaticInputs } from './static-shapes.ts'

/**
 * Replaces auto_pad of Conv, ConvTranspose, MaxPool, AveragePool and LpPool by pads. Exact.
 * 1. VALID: no pads; 2. SAME with stride 1, and SAME of ConvTranspose: the same pads for every size;
 * 3. SAME with a larger stride: pads for the observed size, where the declared inputs fix it; else it is left.
 */
export const explicitPads: Rewrite = defineRewrite({
  name: 'explicit-pads',
  kind: 'exact',
  summary: 'writes automatic padding down as numbers',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      const fixed = hasStaticInputs(model)
      for (const node of editor.nodes('Conv', 'ConvTranspose', 'MaxPool', 'AveragePool', 'LpPool')) {
        const auto = stringAttribute(node, 'auto_pad', 'NOTSET')
        if (auto === 'NOTSET' || auto === '') continue
        const pads = padsOf(editor, node, auto, { shapes: context.shapes, fixed })
        if (typeof pads === 'string') {
          log.left(node, `keeps auto_pad ${auto}: ${pads}`)
          continue
        }
        node.attributes.delete('auto_pad')
        node.attributes.set('pads', intsAttr(pads))
        log.changed(node, `auto_pad ${auto} is pads [${pads}]`)
      }
    }),
})

/** Observed shapes, and whether they are those of every run. */
interface KnownSizes {
  readonly shapes: Shapes
  readonly fixed: boolean
}

function padsOf(editor: GraphEditor, node: Node, auto: string, { shapes, fixed }: KnownSizes): number[] | string {
  const kernel = intsAttribute(node, 'kernel_shape') ?? editor.constant(node.inputs[1])?.shape.slice(2)
  if (!kernel) return 'its kernel has no known size'
  if (auto === 'VALID') return kernel.flatMap(() => [0, 0])
  if (intAttribute(node, 'ceil_mode', 0) === 1) return 'it rounds its output size up'
  const transposed = node.opType === 'ConvTranspose'
  if (transposed && node.attributes.has('output_shape')) return 'it names its output shape'
  const strides = intsAttribute(node, 'strides') ?? kernel.map(() => 1)
  const dilations = intsAttribute(node, 'dilations') ?? kernel.map(() => 1)
  const extra = intsAttribute(node, 'output_padding') ?? kernel.map(() => 0)
  const sizes = shapes.get(node.inputs[0] ?? '')?.dims.slice(2)
  const begins: number[] = []
  const ends: number[] = []
  for (const [axis, taps] of kernel.entries()) {
    const reach = (taps - 1) * (dilations[axis] ?? 1) + 1
    const stride = strides[axis] ?? 1
    let total = reach - 1
    if (transposed) total = reach - stride + (extra[axis] ?? 0)
    else if (stride !== 1) {
      const size = sizes?.[axis]
      if (size === undefined) return 'the size of its input was never observed'
      if (!fixed) return `its stride is ${stride} and the model takes inputs of any size`
      total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach - size)
    }
    if (total < 0) return `it would need ${total} pads`
    const small = Math.floor(total / 2)
    begins.push(auto === 'SAME_UPPER' ? small : total - small)
    ends.push(auto === 'SAME_UPPER' ? total - small : small)
  }
  return [...begins, ...ends]
}
