// Norms in every form that models store them in.
import { type Model, Tensor } from '../../src/onnx/index.ts'
import { floatTensor } from '../../src/rewrite/float-tensor.ts'
import { tinyModel } from './tiny-model.ts'

const mean = 'h -> ReduceMean axes=2, -> m; h,m -> Sub -> d; d -> Pow number(2) -> ReduceMean axes=2,'
const layerNorm = `${mean} -> Add number(0.01) -> Sqrt -> s; d,s -> Div`
const rms = 'h -> Pow number(2) -> ReduceMean axes=2, -> Add number(0.01) -> Sqrt'

interface Form {
  /** From h[N,6,16] to n. */
  readonly drawing: string
  readonly opset?: number
  readonly domain?: string
}

const forms: Readonly<Record<string, Form>> = {
  LayerNormalization: { drawing: 'h -> LayerNormalization floats[16] floats[16] -> n' },
  'LayerNormalization without a bias': { drawing: 'h -> LayerNormalization floats[16] -> n' },
  RMSNormalization: { drawing: 'h -> RMSNormalization floats[16] -> n', opset: 23 },
  SimplifiedLayerNormalization: { drawing: 'h -> SimplifiedLayerNormalization floats[16] -> n' },
  SkipLayerNormalization: {
    drawing: 'h,x -> SkipLayerNormalization floats[16] floats[16] floats[16] -> n',
    domain: 'com.microsoft',
  },
  SkipSimplifiedLayerNormalization: {
    drawing: 'h,x -> SkipSimplifiedLayerNormalization floats[16] -> n',
    domain: 'com.microsoft',
  },
  'layer norm, written out': { drawing: `${layerNorm} -> Mul floats[16] -> Add floats[16] -> n` },
  'layer norm, its gain beside the deviation': {
    drawing: `${mean} -> Add number(0.01) -> Sqrt -> Reciprocal -> Mul floats[16] -> g; h,g -> Mul -> a; m,g -> Mul -> b; a,b -> Sub -> Add floats[16] -> n`,
  },
  'RMS norm, divided': { drawing: `${rms} -> s; h,s -> Div -> Mul floats[16] -> n` },
  'RMS norm, by the reciprocal': { drawing: `${rms} -> Reciprocal -> s; h,s -> Mul -> Mul floats[1,1,16] -> n` },
  InstanceNormalization: {
    drawing: 'h -> Transpose perm=0,2,1 -> InstanceNormalization floats[16] floats[16] -> Transpose perm=0,2,1 -> n',
  },
}

export const normForms: readonly string[] = Object.keys(forms)

/**
 * x[N,6,16] -> MatMul -> h -> norm -> n -> two MatMuls, one behind a Transpose there and back -> y. `gain` is that of channel 3,
 * whose weights are divided by it: the function is the same for any.
 */
export function normModel(name: string, gain = 1): Model {
  const { drawing, opset = 17, domain } = forms[name] ?? { drawing: name }
  const tail =
    'n -> MatMul 16->8 -> Relu -> a2; n -> Transpose perm=0,2,1 -> Transpose perm=0,2,1 -> MatMul 16->8 -> b2; a2,b2 -> Add -> MatMul 8->4 -> y'
  const model = tinyModel(`x[N,6,16] -> MatMul 16->16 -> h; ${drawing}; ${tail}`, { opset })
  if (domain) model.opsets.set(domain, 1)
  const { initializers, nodes } = model.graph
  for (const [i, node] of nodes.entries()) if (domain && node.opType.startsWith('Skip')) nodes[i] = { ...node, domain }
  for (const [key, tensor] of initializers) {
    const ofChannels = tensor.size === 16 && /float/.test(tensor.dtype)
    const values = tensor.floats()
    // Gains are about 1, as in trained networks.
    if (ofChannels) {
      const scaled = Array.from(values, (x, c) => (1 + x / 8) * (c === 3 ? gain : 1))
      initializers.set(key, floatTensor('float32', tensor.shape, scaled))
    }
    if (/^(a2|b2|v\d+)_weight/.test(key) && tensor.shape.join() === '16,8')
      initializers.set(
        key,
        Tensor.from(
          'float32',
          [16, 8],
          values.map((x, i) => x / (Math.floor(i / 8) === 3 ? gain : 1)),
        ),
      )
  }
  return model
}
