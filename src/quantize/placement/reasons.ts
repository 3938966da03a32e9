// Why a node stays float.
import {
  factsOf,
  hasOpenBias,
  intAttribute,
  isDepthwise,
  isOp,
  type Layer,
  layerOf,
  type Node,
  nodeName,
} from '../../onnx/index.ts'
import type { SlowLayers } from '../targets/target.ts'
import type { Scope } from './scope.ts'

/** Why a node stays float: a code to decide by, and a clause for people. */
export interface FloatReason {
  readonly code: FloatCode
  readonly text: string
}

export type FloatCode =
  /** Named by --exclude, or not named by --only. */
  | 'excluded'
  /** The target has no integer kernel for the operator. */
  | 'no-kernel'
  /** The target has one, and is faster in float. */
  | 'slow'
  /** Something else reads its weight in float: integers would be stored beside it. */
  | 'read-elsewhere'
  /** Its operands, types or attributes are not those of the kernel. */
  | 'form'
  /** A grid for one of its values costs the outputs too much. */
  | 'cost'
  /** No neighbour runs in integers. */
  | 'alone'

const because = (code: FloatCode, text: string | undefined): FloatReason | undefined =>
  text === undefined ? undefined : { code, text }

/** Why a node whose operator has an integer kernel does not run on it, seen alone; undefined when it may. */
export function whyFloat(scope: Scope, node: Node, layer: Layer | undefined): FloatReason | undefined {
  return (
    because('excluded', scope.excluded(node)) ??
    because('slow', scope.options.slowNodes?.get(nodeName(node))) ??
    because('form', whyNoRange(scope, node)) ??
    because('read-elsewhere', whyStoredTwice(scope, node, layer)) ??
    (scope.role(node)?.role === 'layer'
      ? (because('form', whyNoLayer(scope, node, layer)) ?? because('slow', whySlow(scope, node, layer)))
      : because('form', whyNotInteger(scope, node)))
  )
}

/** Why a node stays float whose operator the target does not know; undefined where nobody would expect it to be integer. */
export function whyNoKernel(scope: Scope, node: Node, layer: Layer | undefined): FloatReason | undefined {
  const { name, floatReasons } = scope.options.target
  const known = floatReasons[node.opType]
  if (known === undefined && !layer) return undefined
  return { code: 'no-kernel', text: known ?? `${name} has no integer kernel for ${node.opType}` }
}

/** Smaller weights may be stored twice. */
const WORTH_BYTES = 1024

function whyStoredTwice(scope: Scope, node: Node, layer: Layer | undefined): string | undefined {
  const weight = layer && node.inputs[layer.weightIndex]
  if (weight === undefined || layer === undefined || layer.weight.byteLength < WORTH_BYTES) return undefined
  // Other layers, and rows that are picked, take the same codes.
  const takesCodes = (other: Node) =>
    isOp(other, 'Gather', 'Transpose') || layerOf(other, scope.constants)?.weight === layer.weight
  const others = scope.consumers.get(weight)?.filter((other) => other !== node && !takesCodes(other)) ?? []
  const reader = scope.readInside.get(weight) ?? others.map(nodeName)[0]
  return reader && `${reader} reads its weight too, and float and integer ones would both be stored`
}

/** What may be fed has no range that holds. */
function whyNoRange({ graph }: Scope, node: Node): string | undefined {
  const fed = node.inputs.find((input) => graph.overridable?.has(input))
  return fed === undefined ? undefined : `"${fed}" has a default, and may be fed something else`
}

function whyNoLayer({ types }: Scope, node: Node, layer: Layer | undefined): string | undefined {
  if (!layer) return factsOf(node).layer?.eitherSide ? 'both operands are activations' : 'its weight is not a constant'
  if (layer.weight.dtype !== 'float32') return `its weight is ${layer.weight.dtype}`
  if (layer.weightIndex !== 1 || !layer.view) return 'its weight is not a matrix on the right'
  const data = types.get(node.inputs[0] ?? '')
  if (data !== 'float32') return `its input is ${data ?? 'of unknown type'}`
  if (hasOpenBias(layer)) return 'its bias is not a constant vector'
  if (intAttribute(node, 'transA', 0) !== 0) return 'its left operand is transposed'
  if (layer.alpha !== 1 || layer.beta !== 1) return 'alpha or beta is not 1'
  return layer.bias && layer.bias.size !== layer.view.outputs ? 'its bias is not a vector' : undefined
}

function whySlow(scope: Scope, node: Node, layer: Layer | undefined): string | undefined {
  const { view } = layer ?? {}
  if (!layer || !view) return undefined
  const fits = ({ depthwise, inputs }: SlowLayers) =>
    (depthwise === undefined || depthwise === isDepthwise(layer)) &&
    (inputs === undefined || view.inputsPerGroup <= inputs)
  return scope.role(node)?.slow?.find(fits)?.why
}

function whyNotInteger(scope: Scope, node: Node): string | undefined {
  if (scope.isCap(node)) return whyNoCap(scope, node)
  const lacking = scope.lacking(node)
  if (lacking !== undefined)
    return `${scope.options.target.name} has no integer kernel for ${node.opType} with ${lacking}`
  for (const input of scope.dataInputs(node)) {
    const constant = scope.constants(input)
    const { takesAll } = scope.options.target
    if (constant && !(takesAll && scope.role(node)?.reads === 'all')) return 'one operand is a constant'
    const type = constant?.dtype ?? scope.types.get(input)
    if (type !== 'float32') return `its input is ${type ?? 'of unknown type'}`
  }
  if (node.outputs.filter((output) => output !== '').length > 1 && scope.role(node)?.gives !== 'all')
    return 'it has a second output'
  return isOp(node, 'Add') && carriesMask(scope, node) ? 'it carries an attention mask' : undefined
}

function whyNoCap(scope: Scope, node: Node): string | undefined {
  const [input, ...others] = scope.dataInputs(node)
  if (!input || others.length > 0 || node.inputs.length !== 2) return 'it has no constant operand'
  const type = scope.types.get(input)
  if (type !== 'float32') return `its input is ${type ?? 'of unknown type'}`
  if (scope.consumers.get(input)?.length !== 1 || scope.outputs.has(input)) return 'its input is used elsewhere too'
  const constant = scope.constants(node.inputs.find((name) => name !== input))
  if (constant?.dtype !== 'float32' || constant.shape.filter((size) => size > 1).length > 1)
    return 'its constant is not a number for each channel'
  // A grid that reaches below the activation in front would stop that one's fusion.
  return constant.floats().every((cap) => cap >= 0) ? undefined : 'it caps below 0'
}

/** A mask of −1e9 is not data: an Add that carries one into a Softmax must not set a range. */
const MASK = -1e4

function carriesMask({ constants, consumers }: Scope, node: Node): boolean {
  const softmax = consumers.get(node.outputs[0] ?? '')?.some((consumer) => isOp(consumer, 'Softmax'))
  const masks = (input: string) =>
    constants(input)
      ?.floats()
      .some((value) => value <= MASK)
  return softmax === true && node.inputs.some(masks)
}
