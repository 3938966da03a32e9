// Layers without a bias get one of zeros: bias correction and absorption need a place to put what they find.
import { layerOf, type Node } from '../onnx/index.ts'
import { editModel } from './edit-pass.ts'
import { floatTensor } from './float-tensor.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/** Gives Conv and Gemm with a constant float weight and no bias a bias of zeros. Exact; integer kernels add one anyway. */
export const explicitBiases: Rewrite = defineRewrite({
  name: 'explicit-biases',
  kind: 'exact',
  summary: 'gives layers without a bias one of zeros',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      const hasBias = (node: Node) => node.inputs[2] !== undefined && node.inputs[2] !== ''
      for (const node of editor.nodes('Conv', 'Gemm')) {
        const layer = layerOf(node, (value) => editor.constant(value))
        if (!layer?.view || hasBias(node) || !layer.weight.dtype.startsWith('float')) continue
        const { outputs } = layer.view
        editor.setConstant(
          node,
          2,
          floatTensor(layer.weight.dtype, [outputs], new Float64Array(outputs)),
          `${layer.name}/bias`,
        )
        log.changed(node, `a bias of ${outputs} zeros`)
      }
    }),
})
