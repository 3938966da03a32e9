// Clip bounds stored with shape [1] become scalars: ONNX Runtime does not fuse a Clip whose bounds have a rank.
import { nodeName } from '../onnx/index.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/** Gives constant bounds of Clip the shape []. Exact. */
export const scalarBounds: Rewrite = defineRewrite({
  name: 'scalar-bounds',
  kind: 'exact',
  summary: 'stores bounds of Clip as scalars, so that they fuse',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      for (const node of editor.nodes('Clip')) {
        const ranked = [1, 2].filter((index) => {
          const bound = editor.constant(node.inputs[index])
          return bound?.size === 1 && bound.shape.length > 0
        })
        for (const index of ranked) {
          const bound = editor.constant(node.inputs[index])
          if (bound) editor.setConstant(node, index, bound.reshape([]), `${nodeName(node)}/bound`)
        }
        if (ranked.length > 0) log.changed(node, 'its bounds became scalars')
      }
    }),
})
