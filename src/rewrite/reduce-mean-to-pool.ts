// ReduceMean over height and width is GlobalAveragePool, which has an integer kernel; ReduceMean has none.
import { intAttr, intAttribute, intsAttribute } from '../onnx/index.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/**
 * Replaces ReduceMean over the last two of four axes by GlobalAveragePool; with keepdims = 0 a Flatten follows. Exact.
 */
export const reduceMeanToPool: Rewrite = defineRewrite({
  name: 'reduce-mean-to-pool',
  kind: 'exact',
  summary: 'turns ReduceMean over height and width into GlobalAveragePool',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      for (const node of editor.nodes('ReduceMean')) {
        const input = node.inputs[0] ?? ''
        const output = node.outputs[0] ?? ''
        const axes = intsAttribute(node, 'axes') ?? editor.constant(node.inputs[1])?.numbers()
        const rank = context.shapes.get(input)?.dims.length
        const spatial = axes?.map((axis) => (axis < 0 ? axis + 4 : axis)).toSorted()
        if (rank !== 4 || spatial?.join() !== '2,3') continue
        if (intAttribute(node, 'keepdims', 1) === 1)
          editor.replaceNode(node, { opType: 'GlobalAveragePool', inputs: [input], outputs: [output] })
        else {
          const pooled = editor.freshName(`${output}_pooled`)
          editor.replaceNode(node, { opType: 'GlobalAveragePool', inputs: [input], outputs: [pooled] })
          editor.addNode({
            opType: 'Flatten',
            name: `${node.name}_flatten`,
            inputs: [pooled],
            outputs: [output],
            attributes: { axis: intAttr(1) },
          })
        }
        log.changed(node, 'ReduceMean over height and width became GlobalAveragePool')
      }
    }),
})
