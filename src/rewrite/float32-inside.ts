// A float16 or bfloat16 model computed in float32: every element type in it changes, its inputs and outputs keep theirs.
import {
  type Attribute,
  allNodes,
  cloneModel,
  type DType,
  dtypeNumber,
  dtypeOf,
  factsOf,
  type Graph,
  GraphEditor,
  intAttr,
  isOp,
  type Model,
  makeNode,
  type Node,
  opsetOf,
  renameValues,
  subgraphsOf,
  Tensor,
  type ValueInfo,
} from '../onnx/index.ts'
import { originOf, setOrigin } from './constants/origins.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/** Element types of half the size of float32. */
export type HalfType = 'float16' | 'bfloat16'

const isHalf = (dtype: DType | undefined): dtype is HalfType => dtype === 'float16' || dtype === 'bfloat16'

/** Each node that was computed in float16 rounded its result: 73 dB, and hundreds of them. */
const BOUND_DB = 30

/**
 * Computes a float16 model in float32, with Cast behind its inputs and in front of its outputs: integer kernels, gradients and
 * calibration are made for float32. What stays as it is on the way to the file is stored in float16 again by store-once.
 */
export const float32Inside: Rewrite = defineRewrite({
  name: 'float32-inside',
  kind: 'bounded',
  boundDb: BOUND_DB,
  summary: 'computes float16 models in float32; inputs and outputs keep their types',
  apply: (model, { statistics }) => {
    const halves = halfTypesOf(model)
    if (halves.size === 0) return { model, statistics, changes: [], skipped: [] }
    const list = containersIn(model.graph).find(({ container }) => isHalf(container?.dtype))
    if (list) {
      const why = `${list.name}: a sequence or optional of ${list.container?.dtype} stays what it is, and so does the model`
      return { model, statistics, changes: [], skipped: [why] }
    }
    const inside = withTypesOf(inFloat32(model), model)
    const what = [...halves].map(([dtype, count]) => `${count} constants, values and types of ${dtype}`).join(', ')
    return { model: inside, statistics, changes: [`${what} became float32`], skipped: [] }
  },
})

function containersIn(graph: Graph): ValueInfo[] {
  const inner = graph.nodes.flatMap(subgraphsOf).flatMap(containersIn)
  const declared = [...graph.inputs, ...graph.outputs, ...graph.valueInfo.values(), ...inner]
  return declared.filter(({ container }) => container !== undefined)
}

/** How often each half type stands in a model that computes with it; a constant that is cast at once does not count. */
export function halfTypesOf(model: Model): Map<HalfType, number> {
  const found = new Map<HalfType, number>()
  const add = (dtype: DType | undefined) => {
    if (isHalf(dtype)) found.set(dtype, (found.get(dtype) ?? 0) + 1)
  }
  const visit = (graph: Graph) => {
    const cast = castOnly(graph)
    for (const [name, { dtype }] of graph.initializers) if (!cast.has(name)) add(dtype)
    for (const info of [...graph.inputs, ...graph.outputs]) add(info.dtype)
    for (const node of graph.nodes) {
      for (const [name, attribute] of node.attributes) {
        if (attribute.type === 'tensor' && !cast.has(node.outputs[0] ?? '')) add(attribute.value.dtype)
        if (attribute.type === 'int' && namesType(node, name)) add(dtypeOf(Number(attribute.value)))
      }
      for (const inner of subgraphsOf(node)) visit(inner)
    }
  }
  visit(model.graph)
  return found
}

/** Constants that only Cast reads: half as a form of storage. */
function castOnly(graph: Graph): Set<string> {
  const read = new Map<string, boolean>()
  for (const node of allNodes(graph))
    for (const name of node.inputs)
      read.set(name, (read.get(name) ?? true) && isOp(node, 'Cast') && !isHalf(dtypeOf(castTarget(node))))
  for (const { name } of graph.outputs) read.set(name, false)
  return new Set([...read].flatMap(([name, only]) => (only ? [name] : [])))
}

function castTarget(node: Node): number {
  const to = node.attributes.get('to')
  return to?.type === 'int' ? Number(to.value) : 0
}

/** Does an attribute hold the number of an element type? */
function namesType(node: Node, attribute: string): boolean {
  return factsOf(node).typeAttributes?.includes(attribute) === true
}

/** The float32 numbers of a tensor of half the size; store-once stores them as that tensor behind Cast. */
export function inFloat32Behind(half: Tensor, opset: number): Tensor {
  const wide = Tensor.from('float32', half.shape, half.floats())
  setOrigin(wide, {
    node: makeNode({ opType: 'Cast', inputs: [], outputs: [], attributes: { to: intAttr(dtypeNumber('float32')) } }),
    inputs: [half],
    opset,
  })
  return wide
}

/** Notes of a tensor that it is another one cast, where that one was computed: what takes few bytes can still be stored so. */
export function castFrom(tensor: Tensor, cast: Tensor, opset: number): Tensor {
  if (!originOf(tensor)) return cast
  const attributes = { to: intAttr(dtypeNumber(cast.dtype)) }
  setOrigin(cast, { node: makeNode({ opType: 'Cast', inputs: [], outputs: [], attributes }), inputs: [tensor], opset })
  return cast
}

/** The model with float32 in place of every half type, its inputs and outputs included. */
export function inFloat32(model: Model): Model {
  const copy = cloneModel(model)
  const opset = opsetOf(model)
  const widened = new Map<Tensor, Tensor>()
  const widen = (tensor: Tensor): Tensor => {
    if (!isHalf(tensor.dtype)) return tensor
    const known = widened.get(tensor)
    if (known) return known
    const wide = inFloat32Behind(tensor, opset)
    widened.set(tensor, wide)
    return wide
  }
  const visit = (graph: Graph): void => {
    for (const [name, tensor] of graph.initializers) graph.initializers.set(name, widen(tensor))
    for (const list of [graph.inputs, graph.outputs])
      for (const [index, info] of list.entries()) list[index] = wideInfo(info)
    for (const [name, info] of graph.valueInfo) graph.valueInfo.set(name, wideInfo(info))
    for (const node of graph.nodes) {
      for (const [name, attribute] of node.attributes)
        node.attributes.set(name, wideAttribute(node, name, attribute, widen))
      for (const inner of subgraphsOf(node)) visit(inner)
    }
  }
  visit(copy.graph)
  return copy
}

function wideInfo(info: ValueInfo): ValueInfo {
  if (!isHalf(info.dtype)) return info
  const { name, shape } = info
  return { name, dtype: 'float32', ...(shape ? { shape } : {}) }
}

function wideAttribute(node: Node, name: string, attribute: Attribute, widen: (tensor: Tensor) => Tensor): Attribute {
  if (attribute.type === 'tensor' && isHalf(attribute.value.dtype))
    return { type: 'tensor', value: widen(attribute.value) }
  if (attribute.type === 'int' && namesType(node, name) && isHalf(dtypeOf(Number(attribute.value))))
    return intAttr(dtypeNumber('float32'))
  return attribute
}

/** Gives a float32 model the half-typed inputs and outputs of another with the same names: Cast stands at the border. */
export function withTypesOf(model: Model, given: Model): Model {
  const differs = (own: readonly ValueInfo[], theirs: readonly ValueInfo[]) =>
    theirs.filter(({ name, dtype }) => isHalf(dtype) && own.find((info) => info.name === name)?.dtype === 'float32')
  const inputs = differs(model.graph.inputs, given.graph.inputs)
  const passed = new Set(inputs.map(({ name }) => name))
  const outputs = differs(model.graph.outputs, given.graph.outputs).filter(({ name }) => !passed.has(name))
  const border = [...inputs, ...outputs]
  if (border.length === 0) return model
  // A model that this was done to before has these names already.
  const names = new GraphEditor(model)
  const inside = new Map(border.map(({ name }) => [name, names.freshName(`${name}/float32`)]))
  const editor = new GraphEditor(renameValues(model, inside))
  const take = (list: ValueInfo[]) => {
    for (const [index, info] of list.entries()) {
      const own = [...border, ...given.graph.inputs].find(({ name }) => inside.has(name) && name === info.name)
      if (own) list[index] = own
    }
  }
  take(editor.graph.inputs)
  take(editor.graph.outputs)
  const cast = (from: string, to: string, dtype: DType) =>
    editor.addNode({ opType: 'Cast', inputs: [from], outputs: [to], attributes: { to: intAttr(dtypeNumber(dtype)) } })
  for (const { name } of inputs) cast(name, inside.get(name) ?? name, 'float32')
  for (const { name, dtype } of outputs) cast(inside.get(name) ?? name, name, dtype ?? 'float16')
  return editor.finish()
}
