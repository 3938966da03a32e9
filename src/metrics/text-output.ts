// What a model's output is where that says how to compare two: embeddings, of a text or of each of its tokens, or logits over tokens
// or classes. Told by the graph: what the output comes out of, and what the inputs pick.
import { tokenInputs } from '../data/index.ts'
import {
  constantsOf,
  factsOf,
  type Graph,
  isOp,
  layerOf,
  type Model,
  type Node,
  normOf,
  vocabularies,
} from '../onnx/index.ts'

export interface TextOutput {
  /** An embedding is compared by its direction, logits by the highest of them. */
  readonly kind: 'embedding' | 'logits'
  readonly output: string
  /** Input of the token numbers; absent for models of pictures or sound. */
  readonly tokens?: string
  /** Input that says which of them count. */
  readonly mask?: string
}

/**
 * The first output of a model, where it is an embedding or logits of a text:
 * 1. logits: its last axis is as long as the table of the tokens, or a layer with a bias narrows to it (a head with classes)
 * 2. an embedding: [batch, length, hidden] or [batch, hidden] of a model that looks tokens up, otherwise
 * 3. an embedding: [batch, length, hidden] that comes out of a normalisation, whatever goes in
 * Undefined for any other output, and for probabilities.
 */
export function textOutputOf(model: Model): TextOutput | undefined {
  const [output] = model.graph.outputs
  if (!output || !/^float/.test(output.dtype ?? 'float32')) return undefined
  const rank = output.shape?.length
  if (rank !== undefined && rank !== 2 && rank !== 3) return undefined
  const head = headOf(model.graph, output.name)
  if (head.kind === 'softmax') return undefined
  const text = tokensOf(model)
  if (!text) return head.kind === 'norm' && rank === 3 ? { kind: 'embedding', output: output.name } : undefined
  const { rows, ...inputs } = text
  const narrows = head.kind === 'layer' && head.biased && head.outputs < head.inputs
  const isVocabulary = output.shape?.at(-1) === rows || (head.kind === 'layer' && head.outputs === rows)
  return { kind: narrows || isVocabulary ? 'logits' : 'embedding', output: output.name, ...inputs }
}

/** The inputs for token numbers and mask, and the rows of the table that the numbers pick. */
function tokensOf(
  model: Model,
): { readonly tokens: string; readonly mask?: string; readonly rows: number } | undefined {
  const tables = vocabularies(model)
  const picking = model.graph.inputs.filter(({ name }) => name in tables)
  if (picking.length === 0) return undefined
  const { tokens, mask } = tokenInputs(model.graph.inputs, 'the samples')
  const rows = tables[tokens.name]
  return rows === undefined ? undefined : { tokens: tokens.name, rows, ...(mask && { mask: mask.name }) }
}

type Head =
  | { readonly kind: 'layer'; readonly inputs: number; readonly outputs: number; readonly biased: boolean }
  | { readonly kind: 'norm' | 'softmax' | 'other' }

/** What a value comes out of, behind moves, casts and constants that are added or multiplied. */
function headOf(graph: Graph, output: string): Head {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)))
  const constants = constantsOf(graph)
  let [value, biased, scaled] = [output, false, false]
  for (let steps = 0; steps <= graph.nodes.length; steps++) {
    const node = makers.get(value)
    if (!node) break
    if (isOp(node, 'Softmax', 'LogSoftmax')) return { kind: 'softmax' }
    if (normOf(node) || (scaled && isOp(node, 'Div') && isRoot(makers.get(node.inputs[1] ?? ''))))
      return { kind: 'norm' }
    const layer = layerOf(node, constants)
    if (layer?.view) {
      const { outputs, inputsPerGroup, groups } = layer.view
      return { kind: 'layer', inputs: inputsPerGroup * groups, outputs, biased: biased || layer.bias !== undefined }
    }
    const next = through(node, (name) => constants(name) !== undefined)
    if (next === undefined) break
    biased ||= isOp(node, 'Add')
    scaled ||= isOp(node, 'Mul')
    value = next
  }
  return { kind: 'other' }
}

/** The input that a node hands on as it is, but for its place, its type and constants. */
function through(node: Node, isConstant: (value: string) => boolean): string | undefined {
  const [first = '', second = ''] = node.inputs
  if (isOp(node, 'Add', 'Mul')) return isConstant(first) ? second : isConstant(second) ? first : undefined
  const moves = factsOf(node).movesData || isOp(node, 'Cast', 'QuantizeLinear', 'DequantizeLinear')
  return moves ? first : undefined
}

/** A deviation: what a norm that is written out divides by. */
function isRoot(node: Node | undefined): boolean {
  return node !== undefined && isOp(node, 'Sqrt')
}
