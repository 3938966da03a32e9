// The little network that the calibration pass and the walk are tried on.
import { GraphEditor, type Model, makeModel, Tensor } from '../../src/onnx/index.ts'

/** x[N,2,H,W] -> Mul by `factor` m -> Sqrt s -> Mul with x m2 -> Relu y. */
export function rootModel(factor: number, shape: (number | string)[] = ['N', 2, 3, 3]): Model {
  const editor = new GraphEditor(
    makeModel({
      name: 'g',
      inputs: [{ name: 'x', dtype: 'float32', shape }],
      outputs: [{ name: 'y', dtype: 'float32', shape }],
    }),
  )
  const constant = editor.addTensor('factor', Tensor.scalar(factor))
  editor.addNode({ opType: 'Mul', inputs: ['x', constant], outputs: ['m'] })
  editor.addNode({ opType: 'Sqrt', inputs: ['m'], outputs: ['s'] })
  editor.addNode({ opType: 'Mul', inputs: ['s', 'x'], outputs: ['m2'] })
  editor.addNode({ opType: 'Relu', inputs: ['m2'], outputs: ['y'] })
  return editor.finish()
}
