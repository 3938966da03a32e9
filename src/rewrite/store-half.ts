// Weights that were float16 in the file and were changed in float32 go back to what they were stored in.
import { float16Max } from '../math/index.ts'
import { dtypeNumber, GraphEditor, intAttr, type Model } from '../onnx/index.ts'
import { WORTH_BYTES } from './constants/tied.ts'
import { floatTensor } from './float-tensor.ts'
import type { HalfType } from './float32-inside.ts'

/**
 * Stores the large float32 constants of a model in a half type, behind Cast. What float16 cannot hold stays float32. A weight
 * rounded to float16 has 73 dB, as the model that came had; bfloat16 52 dB.
 */
export function storeHalf(model: Model, dtype: HalfType): Model {
  const editor = new GraphEditor(model)
  for (const [name, tensor] of [...editor.graph.initializers]) {
    if (tensor.dtype !== 'float32' || tensor.byteLength < WORTH_BYTES || editor.isInput(name)) continue
    if (dtype === 'float16' && tensor.floats().some((value) => Math.abs(value) > float16Max)) continue
    const stored = editor.addTensor(`${name}/${dtype}`, floatTensor(dtype, tensor.shape, tensor.floats()))
    editor.graph.initializers.delete(name)
    editor.addNode({
      opType: 'Cast',
      inputs: [stored],
      outputs: [name],
      attributes: { to: intAttr(dtypeNumber('float32')) },
    })
  }
  return editor.finish()
}
