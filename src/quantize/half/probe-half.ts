// Which operators a runtime takes with float16: it is asked, with one model of one node for each kind.
import { UnsupportedError } from '../../base/index.ts'
import {
  type Constants,
  type DType,
  type Model,
  makeModel,
  makeNode,
  type Node,
  opsetOf,
  staysFloat32Input,
  staysFloat32Output,
  subgraphsOf,
  type Tensor,
} from '../../onnx/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { halfAttributes } from './half-node.ts'

/** Larger constants are inputs of the probe: no type depends on their numbers. */
const SMALL = 64

/** Asks once for each kind of node; the answer is whether it loads with float16 in place of float32. */
export function halfProbe(
  runtime: Runtime,
  model: Model,
  types: ReadonlyMap<string, DType>,
  constants: Constants,
): (node: Node) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>()
  return (node) => {
    if (subgraphsOf(node).length > 0) return Promise.resolve(false)
    const key = keyOf(node, types)
    const answer = known.get(key) ?? loads(runtime, probeOf(model, node, types, constants))
    known.set(key, answer)
    return answer
  }
}

function keyOf({ domain, opType, inputs, outputs, attributes }: Node, types: ReadonlyMap<string, DType>): string {
  const words = [...attributes].map(([name, { type, ...rest }]) =>
    'value' in rest && (type === 'int' || type === 'string') ? `${name}=${rest.value}` : name,
  )
  return [domain, opType, words.sort(), inputs.map((input) => types.get(input) ?? ''), outputs.length].join(' ')
}

async function loads(runtime: Runtime, model: Model): Promise<boolean> {
  try {
    await (await runtime.open(model, { optimization: 'disabled' })).close()
    return true
  } catch (error) {
    if (error instanceof UnsupportedError) return false
    throw error
  }
}

function probeOf(model: Model, node: Node, types: ReadonlyMap<string, DType>, constants: Constants): Model {
  const half = (value: string, stays: boolean): DType | undefined => {
    const type = types.get(value)
    return type === 'float32' && !stays ? 'float16' : type
  }
  const initializers: Record<string, Tensor> = {}
  const inputs = new Map<string, DType>()
  for (const [index, value] of node.inputs.entries()) {
    if (value === '') continue
    const tensor = constants(value)
    const dtype = half(value, staysFloat32Input(node, index)) ?? 'float32'
    if (tensor && tensor.size <= SMALL && dtype === tensor.dtype) initializers[value] = tensor
    else inputs.set(value, dtype)
  }
  const info = ([name, dtype]: readonly [string, DType | undefined]) => (dtype ? { name, dtype } : { name })
  const own = node.outputs.filter((value) => value !== '')
  return {
    ...makeModel({
      name: 'probe',
      inputs: [...inputs].map(info),
      outputs: own.map((value) => info([value, half(value, staysFloat32Output(node, node.outputs.indexOf(value)))])),
      nodes: [makeNode({ ...node, attributes: Object.fromEntries(halfAttributes(node)) })],
      initializers,
    }),
    irVersion: model.irVersion,
    opsets: new Map([...model.opsets, ['', opsetOf(model)]]),
  }
}
