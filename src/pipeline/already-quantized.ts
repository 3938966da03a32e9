// A model that is quantised already: nothing is gained by doing it again, and its float weights are gone.
import { UnsupportedError } from '../base/index.ts'
import {
  inlineFunctions,
  integerWeightOf,
  type Model,
  nodeName,
  type WeightForms,
  weightFormsOf,
} from '../onnx/index.ts'

/** Numbers that are multiplied with: a table whose rows are picked says nothing about the layers. */
const elementsOf = (list: WeightForms['float']) =>
  list.reduce((sum, { node, elements }) => sum + (integerWeightOf(node) === 0 ? 0 : elements), 0)

/**
 * Refuses a model most of whose weights are integers: Q/DQ, dynamic, QLinear operators, blocks of few bits.
 * @param which `operator`: only layers that ONNX Runtime's integer operators make; Q/DQ in front of float ones passes
 * @returns a note when some layers are integer, and most are not
 * @throws UnsupportedError naming how many layers, and one of them
 */
export function refuseQuantized(
  model: Model,
  file: string,
  what: string,
  which: 'any' | 'operator' = 'any',
): string | undefined {
  const { integer, float } = weightFormsOf(model.functions ? inlineFunctions(model).model : model)
  const counted = which === 'any' ? integer : integer.filter(({ form }) => form === 'operator')
  const [first] = counted
  if (!first) return undefined
  const all = integer.length + float.length
  const layers = `${counted.length} of its ${all} weighted ${all === 1 ? 'node' : 'nodes'}`
  const { node } = first
  const form = first.form === 'operator' ? node.opType : `${node.opType} behind DequantizeLinear`
  if (float.length > 0 && elementsOf(float) >= elementsOf(counted))
    return `${layers} hold integer weights already (${nodeName(node)}: ${form}) and stay as they are`
  throw new UnsupportedError(
    `cannot ${what} ${file}: it is quantised already, ${layers} hold integer weights (${nodeName(node)}: ${form}); give the float model that it was made from`,
    { file, node: nodeName(node), op: node.opType },
  )
}
