// A model as text, one node a line: for people, and for golden tests.
import { type Attribute, type Dim, type Graph, type Model, type Node, subgraphsOf, type ValueInfo } from './model.ts'
import type { Tensor } from './tensor.ts'
import { printType } from './value-type.ts'

/** Prints a model: inputs, nodes in graph order with shapes of their constants, outputs. Deterministic. */
export function printModel(model: Model): string {
  const opsets = [...model.opsets].map(([domain, version]) => `${domain === '' ? 'onnx' : domain} ${version}`)
  return [`opset ${opsets.join(', ')}, IR ${model.irVersion}`, ...graphLines(model.graph, '')].join('\n')
}

function graphLines(graph: Graph, indent: string): string[] {
  const lines = graph.inputs.map((input) => `${indent}input ${printValue(input)}`)
  for (const { info } of graph.overridable?.values() ?? [])
    lines.push(`${indent}input ${printValue(info)} with a default`)
  for (const node of graph.nodes) lines.push(...nodeLines(node, graph, indent))
  return [...lines, ...graph.outputs.map((output) => `${indent}output ${printValue(output)}`)]
}

function nodeLines(node: Node, graph: Graph, indent: string): string[] {
  const inputs = node.inputs.map((name) => {
    const tensor = graph.initializers.get(name)
    return tensor ? `${name}${printTensor(tensor)}` : name === '' ? '-' : name
  })
  const attributes = [...node.attributes].map(([name, attribute]) => `${name}=${printAttribute(attribute)}`)
  const suffix = attributes.length > 0 ? ` {${attributes.join(', ')}}` : ''
  const op = node.domain === '' ? node.opType : `${node.domain}:${node.opType}`
  const own = `${indent}${node.outputs.join(', ')} = ${op}(${inputs.join(', ')})${suffix}`
  return [
    own,
    ...subgraphsOf(node).flatMap((inner) => [`${indent}  graph ${inner.name}`, ...graphLines(inner, `${indent}    `)]),
  ]
}

/** `name float32[N,3,224,224]` */
export function printValue(value: ValueInfo): string {
  return `${value.name} ${value.container ? printType(value.container) : (value.dtype ?? '?')}${value.container ? '' : value.shape ? printDims(value.shape) : '[…]'}`
}

function printDims(dims: readonly Dim[]): string {
  return `[${dims.map((dim) => dim ?? '?').join(',')}]`
}

function printTensor(tensor: Tensor): string {
  const short =
    tensor.size <= 4 && tensor.strings === undefined && !/^(float8|u?int[24]|float4|complex|type)/.test(tensor.dtype)
  return short
    ? `:${tensor.dtype}(${tensor.numbers().map(shortNumber).join(' ')})`
    : `:${tensor.dtype}${printDims(tensor.shape)}`
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(6)))
}

function printAttribute(attribute: Attribute): string {
  switch (attribute.type) {
    case 'int':
    case 'string':
      return String(attribute.value)
    case 'float':
      return shortNumber(attribute.value)
    case 'ints':
    case 'strings':
      return `[${attribute.value.join(',')}]`
    case 'floats':
      return `[${attribute.value.map(shortNumber).join(',')}]`
    case 'tensor':
      return printTensor(attribute.value)
    case 'graph':
      return 'graph'
    case 'graphs':
      return `${attribute.value.length} graphs`
    case 'other':
      return '…'
  }
}
