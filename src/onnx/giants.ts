// Nodes that ask for more memory than any model needs, found before anything runs.
import { UnsupportedError } from '../base/index.ts'
import { tensorAttribute } from './attributes.ts'
import type { DType } from './dtype.ts'
import { constantsOf, nodeName } from './layers.ts'
import { type Graph, type Model, type Node, subgraphsOf } from './model.ts'
import { type Constants, leastBytes } from './ops/index.ts'

/** Bytes that one value may have when constants of the file alone decide how many. */
const MOST_BYTES = 2 ** 31

/**
 * Refuses a model that makes a giant of a few constants, in sub-graphs too.
 * @param lookUp finds the constants of a graph: those that stand there, or computed ones too
 * @throws UnsupportedError naming the node and what it asks for
 */
export function refuseGiants(
  { graph }: Model,
  label = 'the model',
  lookUp: (graph: Graph) => Constants = constantsOf,
): void {
  check(graph, () => undefined, label, lookUp)
}

function check(graph: Graph, outer: Constants, label: string, lookUp: (graph: Graph) => Constants): void {
  const own = lookUp(graph)
  const constants: Constants = (value) => own(value) ?? outer(value)
  for (const node of graph.nodes) {
    const bytes = leastBytes(node, constants, dtypeOf(node, constants))
    if (bytes !== undefined && bytes > MOST_BYTES)
      throw new UnsupportedError(
        `cannot run ${label}: node "${nodeName(node)}" (${node.opType}) makes a value of ${gigabytes(bytes)} GB out of constants, more than ${gigabytes(MOST_BYTES)}; are its sizes right?`,
        { node: nodeName(node), op: node.opType, file: label },
      )
    for (const inner of subgraphsOf(node)) check(inner, constants, label, lookUp)
  }
}

function dtypeOf(node: Node, constants: Constants): DType | undefined {
  if (node.opType === 'ConstantOfShape') return tensorAttribute(node, 'value')?.dtype ?? 'float32'
  return constants(node.inputs[0])?.dtype
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toPrecision(2)
}
