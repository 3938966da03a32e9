// What may be trained: the constants of a model that carry what it knows, and which of them a person asked for.
import { sizeOf, UnsupportedError } from '../base/index.ts'
import { constantsOf, GraphEditor, isOp, layersOf, type Model, type Node, nodeName, Tensor } from '../onnx/index.ts'

export type ParameterKind = 'weight' | 'bias' | 'norm' | 'scale' | 'other'

/** A trainable constant. */
export interface Parameter {
  /** Name of the initialiser. */
  readonly name: string
  readonly kind: ParameterKind
  readonly dims: readonly number[]
  /** Node that reads it (the first). */
  readonly node: string
  /** The weight of a layer without groups: each of its first dimension's parts is a row. */
  readonly matrix?: boolean
}

/** Beyond this many rows and columns a matrix costs more than the layer's own gradient. */
const MOST_ROWS = 1024

/** Is it a matrix whose directions are worth telling apart? */
export function isMatrix({ matrix, dims }: Parameter): boolean {
  const shorter = Math.min(dims[0] ?? 1, sizeOf(dims.slice(1)))
  return matrix === true && shorter > 1 && shorter <= MOST_ROWS
}

export type TrainWhat = 'biases' | 'weights' | 'all' | 'last'

/** A constant beyond this is a mask, not something learned. */
const MASK = 1e4

/**
 * The constants to train.
 * biases: of layers and normalisations; weights: layers with their biases; last: the last layer; all: everything that is
 * learned, also scales of normalisations, slopes, embeddings and vectors that are added or multiplied behind a layer.
 * @throws UnsupportedError when there is nothing to train
 */
export function findParameters(model: Model, what: TrainWhat, selected: (node: Node) => boolean): Parameter[] {
  const all = candidates(model)
  const last = layersOf(model).at(-1)?.node
  const found = all.filter(({ parameter, node }) => {
    if (!selected(node)) return false
    if (what === 'all') return true
    if (what === 'biases') return parameter.kind === 'bias'
    if (what === 'last') return node === last
    return layersOf(model).some((layer) => layer.node === node)
  })
  if (found.length === 0)
    throw new UnsupportedError(
      `there is nothing to train: the model has no float32 ${what === 'biases' ? 'biases' : 'weights'} of layers in its main graph that --train ${what} and --only select`,
    )
  return found.map(({ parameter }) => parameter)
}

function candidates(model: Model): { parameter: Parameter; node: Node }[] {
  const { initializers } = model.graph
  const found = new Map<string, { parameter: Parameter; node: Node }>()
  const add = (name: string | undefined, kind: ParameterKind, node: Node, matrix = false) => {
    const tensor = name ? initializers.get(name) : undefined
    if (!name || !tensor || tensor.dtype !== 'float32' || tensor.size === 0 || found.has(name)) return
    if (kind === 'other' && tensor.floats().some((value) => !(Math.abs(value) < MASK))) return
    const parameter = { name, kind, dims: tensor.shape, node: nodeName(node), ...(matrix ? { matrix } : {}) }
    found.set(name, { parameter, node })
  }
  const layers = new Map(layersOf(model).map((layer) => [layer.node, layer]))
  const behind = new Set<string>()
  const constants = constantsOf(model.graph)
  for (const node of model.graph.nodes) {
    const layer = layers.get(node)
    const follows = node.inputs.some((input) => behind.has(input))
    if (layer) {
      if (!movesChannels(layer.weight)) add(node.inputs[layer.weightIndex], 'weight', node, layer.view?.groups === 1)
      if (layer.bias) add(node.inputs[layer.facts.bias ?? -1], 'bias', node)
    } else if (isOp(node, 'BatchNormalization', 'LayerNormalization', 'InstanceNormalization')) {
      add(node.inputs[1], 'norm', node)
      add(node.inputs[2], 'bias', node)
    } else if (isOp(node, 'PRelu')) add(node.inputs[1], 'other', node)
    else if (isOp(node, 'Gather') && (constants(node.inputs[0])?.shape.length ?? 0) > 1)
      add(node.inputs[0], 'weight', node)
    else if (isOp(node, 'Add', 'Sub', 'Mul') && follows)
      for (const input of node.inputs) {
        const tensor = initializers.get(input)
        if (tensor && tensor.size > 1) add(input, isVector(tensor.shape) && isOp(node, 'Add') ? 'bias' : 'other', node)
      }
    if (layer || follows) for (const output of node.outputs) behind.add(output)
  }
  return [...found.values()]
}

/**
 * Is it a matrix with at most one number in each row and column, 1 or −1? It moves channels about, as rotary embeddings do. One of
 * zeros moves nothing: it has still to learn.
 */
export function movesChannels(weight: Tensor): boolean {
  const [rows = 0, columns = 0] = weight.shape
  if (weight.shape.length !== 2 || Math.min(rows, columns) < 2) return false
  const values = weight.floats()
  const [inRow, inColumn] = [new Uint8Array(rows), new Uint8Array(columns)]
  for (let i = 0; i < values.length; i++) {
    if (values[i] === 0) continue
    const [row, column] = [Math.floor(i / columns), i % columns]
    if (Math.abs(values[i] ?? 0) !== 1 || inRow[row] || inColumn[column]) return false
    inRow[row] = 1
    inColumn[column] = 1
  }
  return inRow.includes(1)
}

/** One number a channel: all dimensions but one are 1. */
function isVector(shape: readonly number[]): boolean {
  return shape.filter((dim) => dim !== 1).length === 1
}

/** Gives every layer with a place for a bias one of zeros where it has none, so that biases alone can correct it. */
export function withBiases(model: Model): Model {
  const editor = new GraphEditor(model)
  for (const { node, facts, view } of layersOf(editor.model)) {
    if (!view || facts.bias === undefined || node.inputs[facts.bias]) continue
    editor.setConstant(
      node,
      facts.bias,
      Tensor.from('float32', [view.outputs], new Float32Array(view.outputs)),
      `${nodeName(node)}/bias`,
    )
  }
  return editor.finish()
}

/** Numbers to train. */
export function countParameters(parameters: readonly Parameter[]): number {
  return parameters.reduce((sum, { dims }) => sum + sizeOf(dims), 0)
}
