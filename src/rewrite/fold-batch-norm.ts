// BatchNormalization disappears: into the layer before it, else the layers behind it, else into a depthwise Conv.
import type { GraphEditor, Node, Shapes } from '../onnx/index.ts'
import { compose, normOf, rescale } from './batch-norm/affine.ts'
import { foldBackward } from './batch-norm/backward.ts'
import { canTake, foldForward, receiversOf } from './batch-norm/forward.ts'
import { namesOf, type Run, runAfter } from './batch-norm/run.ts'
import { replaceStandalone } from './batch-norm/standalone.ts'
import { editModel, type PassLog } from './edit-pass.ts'
import { holds } from './float-tensor.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/**
 * Folds BatchNormalization, BN(x) = G·x + h with G = γ/√(v + ε) and h = β − μ·G. Exact; float64, rounded once.
 * 1. backward into Conv, ConvTranspose, Gemm or MatMul, together with Mul/Add/Sub/Div by constants for each channel;
 * 2. forward into all layers that read it, when none of them sees a padded value;
 * 3. what is left becomes a depthwise 1×1 Conv, or Mul and Add where the rank is 2.
 * Statistics (mean β, deviation |γ|) are kept under the name of the layer's output; near-dead channels are said.
 * @throws InputError when a variance is negative or a parameter is not finite, naming the node and the channel
 * @example
 * ```ts
 * const model = await readModelFile('model.onnx')
 * const { model: folded, changes } = foldBatchNorm.apply(model, { shapes: new Map(), statistics: new Map() })
 * console.log(changes) // what was folded into what
 * ```
 */
export const foldBatchNorm: Rewrite = defineRewrite({
  name: 'fold-batch-norm',
  kind: 'exact',
  summary: 'folds BatchNormalization, and Mul/Add by constants, into the layers around them',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      const blocked = foldBackward(editor, log, context.shapes)
      for (const node of editor.nodes('BatchNormalization'))
        if (editor.has(node)) foldRest(editor, log, node, { shapes: context.shapes, blocked: blocked.get(node) })
    }),
})

/** A BatchNormalization that no layer before it could take. */
function foldRest(
  editor: GraphEditor,
  log: PassLog,
  node: Node,
  { shapes, blocked = 'no layer before it' }: { readonly shapes: Shapes; readonly blocked: string | undefined },
): void {
  const norm = normOf(editor, node)
  if (typeof norm === 'string') {
    log.left(node, norm)
    return
  }
  const input = node.inputs[0] ?? ''
  const run = runBehind(editor, shapes, node, norm.scale.length)
  const followers = run?.nodes ?? []
  const affine = run ? compose(norm, run) : norm
  const output = followers.at(-1)?.outputs[0] ?? node.outputs[0] ?? ''
  const names = namesOf([node, ...followers])
  const reached = receiversOf({ editor, shapes, affine }, output)
  const receivers =
    typeof reached === 'string' || reached.every((receiver) => canTake(receiver, affine))
      ? reached
      : 'folded forward it would leave what float16 can hold'
  if (typeof receivers === 'string') {
    const type = shapes.get(input)?.dtype ?? 'float32'
    const fits = (value: number, least: number) => holds(type, Math.max(least, Math.abs(value)))
    if (!affine.scale.every((value) => fits(value, 0)) || !affine.shift.every((value) => fits(value, 1))) {
      log.left(node, `its factors leave what ${type} can hold (${blocked}; ${receivers})`)
      return
    }
    const became = replaceStandalone(editor, shapes, [node, ...followers], affine)
    if (became) log.changed(node, `${names} became ${became} (${blocked}; ${receivers})`)
    else log.left(node, `the rank of its input was never observed (${blocked}; ${receivers})`)
    if (became) log.statistics.set(output, run ? rescale(norm.output, run) : norm.output)
    return
  }
  for (const each of [node, ...followers]) editor.removeNode(each)
  editor.redirect(output, input)
  for (const receiver of receivers) foldForward(editor, receiver, affine)
  if (!log.statistics.has(input)) log.statistics.set(input, norm.input)
  log.changed(node, `${names} folded forward into ${receivers.map(({ layer }) => layer.name).join(', ')}`)
}

/** The affine nodes right behind a BatchNormalization; no Transpose among them, since they have to go with it. */
function runBehind(editor: GraphEditor, shapes: Shapes, node: Node, channels: number): Run | undefined {
  const rank = shapes.get(node.outputs[0] ?? '')?.dims.length
  if (rank === undefined) return undefined
  const run = runAfter(editor, node.outputs[0] ?? '', { channels, fromEnd: 1 - rank, rank })
  const touching = run.nodes.every((each, i) => each.inputs.includes((run.nodes[i - 1] ?? node).outputs[0] ?? ''))
  return touching ? run : undefined
}
