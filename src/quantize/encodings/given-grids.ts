// Encodings of somebody else's for a model of ours: which value, layer or table each of them is about, and whether it fits.
import { didYouMean, InputError, UnsupportedError } from '../../base/index.ts'
import { codeRange, type QuantParams, type QuantType } from '../../math/index.ts'
import { isOp, type Layer, layersOf, type Model, type Node, nodeName } from '../../onnx/index.ts'
import { nameNodes } from '../../rewrite/index.ts'
import type { Target } from '../targets/target.ts'
import type { Encoding, Encodings } from './encoding.ts'

/** Grids that are given instead of found. */
export interface GivenGrids {
  /** Where they come from, for reports. */
  readonly file: string
  readonly activations: ReadonlyMap<string, QuantParams>
  /** By the names of layers. */
  readonly weights: ReadonlyMap<string, QuantParams>
  /** By the Gather that picks rows. */
  readonly tables: ReadonlyMap<string, QuantParams>
  /** Some values are named: then the others stay float. */
  readonly namesValues: boolean
  /** Some weights are named: then the others stay float. */
  readonly namesWeights: boolean
}

/** A model as it came, and what it became before it is placed. */
interface Models {
  readonly given: Model
  readonly model: Model
  readonly label: string
}

/**
 * Finds what encodings are about. Names are those of the model as it came; rewrites keep the names of values and layers.
 * @param notes is added to: encodings that nothing takes
 * @throws InputError for a name that the model does not have and for a grid that does not fit its tensor, UnsupportedError for a
 * type that the target does not have
 */
export function givenGrids({ file, grids }: Encodings, models: Models, target: Target, notes: string[]): GivenGrids {
  const names = new Names(models)
  const found = {
    activations: new Map<string, QuantParams>(),
    weights: new Map<string, QuantParams>(),
    tables: new Map<string, QuantParams>(),
  }
  const unused: string[] = []
  for (const encoding of grids) {
    const { name } = encoding
    const kind = names.kindOf(name)
    if (kind === undefined)
      throw new InputError(
        `the encodings ${file} name "${name}", which ${models.label} does not have${didYouMean(name, names.all)}: are they of this model?`,
        { file, tensor: name },
      )
    const place = { file, label: models.label, target }
    if (kind === 'value') {
      if (names.stays(name)) found.activations.set(name, activationOf(encoding, place))
      else unused.push(name)
      continue
    }
    // Biases lie on the grid that input and weight give them.
    if (encoding.bits > 16) continue
    const [layers, gathers] = [names.layersWith(name), names.gathersWith(name)]
    if (layers.length + gathers.length === 0) unused.push(name)
    for (const pair of layers) found.weights.set(pair.now.name, weightOf(encoding, pair, place))
    for (const gather of gathers) found.tables.set(nodeName(gather), tableOf(encoding, place))
  }
  if (unused.length > 0)
    notes.push(
      `${unused.length} encodings of ${file} are of tensors that are gone once the model is folded, or of constants that stay float: ${unused.slice(0, 3).join(', ')}${unused.length > 3 ? ', …' : ''}`,
    )
  const namesValues = found.activations.size > 0
  return { file, ...found, namesValues, namesWeights: found.weights.size + found.tables.size > 0 }
}

/** Where an encoding is looked at. */
interface Place {
  readonly file: string
  readonly label: string
  readonly target: Target
}

/** A layer as it came and as it is now. */
interface LayerPair {
  readonly then: Layer
  readonly now: Layer
}

/** What the names of encodings stand for. */
class Names {
  readonly all: readonly string[]
  readonly #values: ReadonlySet<string>
  readonly #constants: ReadonlySet<string>
  readonly #now: ReadonlySet<string>
  readonly #layers = new Map<string, LayerPair[]>()
  readonly #gathers = new Map<string, Node[]>()

  constructor({ given, model }: Models) {
    const named = nameNodes.apply(given, { shapes: new Map(), statistics: new Map() }).model
    const { nodes, inputs, initializers } = named.graph
    const made = nodes.filter((node) => isOp(node, 'Constant')).flatMap(({ outputs }) => outputs)
    this.#constants = new Set([...initializers.keys(), ...made])
    const values = [...inputs.map(({ name }) => name), ...nodes.flatMap(({ outputs }) => outputs)]
    this.#values = new Set(values.filter((name) => name !== '' && !this.#constants.has(name)))
    this.all = [...this.#values, ...this.#constants]
    this.#now = new Set([
      ...model.graph.inputs.map(({ name }) => name),
      ...model.graph.nodes.flatMap(({ outputs }) => outputs),
    ])
    const layers = new Map(layersOf(model).map((layer) => [layer.name, layer]))
    for (const then of layersOf(named)) {
      const [name = '', now] = [then.node.inputs[then.weightIndex], layers.get(then.name)]
      if (now) this.#layers.set(name, [...(this.#layers.get(name) ?? []), { then, now }])
    }
    for (const node of nodes) {
      const [table = ''] = node.inputs
      if (isOp(node, 'Gather') && this.#constants.has(table))
        this.#gathers.set(table, [...(this.#gathers.get(table) ?? []), node])
    }
  }

  kindOf(name: string): 'value' | 'constant' | undefined {
    if (this.#values.has(name)) return 'value'
    return this.#constants.has(name) ? 'constant' : undefined
  }

  stays(value: string): boolean {
    return this.#now.has(value)
  }

  layersWith(constant: string): readonly LayerPair[] {
    return this.#layers.get(constant) ?? []
  }

  gathersWith(constant: string): readonly Node[] {
    return this.#gathers.get(constant) ?? []
  }
}

/** Codes of the other sign stand for the same numbers: what matters is the type that the target has. */
function activationOf(encoding: Encoding, { file, target }: Place): QuantParams {
  const { name, bits, signed, scale, zeroPoint } = encoding
  if (scale.length > 1) throw unfit(encoding, file, 'has a scale for each channel, and values have one')
  const { types, symmetric } = target.activations
  const dtype = [signed, !signed]
    .map((sign) => `${sign ? '' : 'u'}int${bits}` as QuantType)
    .find((type) => types.includes(type))
  if (!dtype)
    throw new UnsupportedError(
      `"${name}" of the encodings ${file} has ${bits} bits; values of ${target.name} can be ${types.join(', ')}`,
      { file, tensor: name },
    )
  const moved =
    (zeroPoint[0] ?? 0) + (signed === !dtype.startsWith('u') ? 0 : signed ? 2 ** (bits - 1) : -(2 ** (bits - 1)))
  const { low, high } = codeRange(dtype)
  if (moved < low || moved > high)
    throw unfit(encoding, file, `has the zero point ${zeroPoint[0]}, which ${bits} bits do not hold`)
  if (symmetric && moved !== 0)
    throw new UnsupportedError(
      `"${name}" of the encodings ${file} is not symmetric; values of ${target.name} have the zero point 0`,
      { file, tensor: name },
    )
  return { dtype, scale: Float32Array.from(scale), zeroPoint: Int32Array.of(moved) }
}

function weightOf(encoding: Encoding, { then, now }: LayerPair, { file, label }: Place): QuantParams {
  const { scale } = encoding
  const params = symmetricOf(encoding, file)
  if (scale.length > 1) fitsChannels(encoding, then, file)
  reaches(encoding, now, file, label)
  return scale.length > 1 && now.view ? { ...params, axis: now.view.outputAxis } : params
}

function fitsChannels(encoding: Encoding, { view, node, name, weight }: Layer, file: string): void {
  const { scale, axis } = encoding
  if (scale.length !== view?.outputs)
    throw unfit(
      encoding,
      file,
      `has ${scale.length} scales, and ${node.opType} "${name}" has ${view?.outputs} output channels`,
    )
  const rank = weight.shape.length
  if (typeof axis !== 'number' || (axis + rank) % rank === view.outputAxis) return
  throw unfit(
    encoding,
    file,
    `has its scales along axis ${axis}, and the output channels of ${node.opType} "${name}" lie along ${view.outputAxis}`,
  )
}

function tableOf(encoding: Encoding, { file }: Place): QuantParams {
  const { scale, axis } = encoding
  const params = symmetricOf(encoding, file)
  if (params.dtype !== 'int8') throw unfit(encoding, file, 'has 4 bits, and tables have 8')
  if (scale.length === 1) return params
  if (axis !== 0 && axis !== 'unsaid')
    throw unfit(encoding, file, 'has a scale for each column, and tables have one for each row')
  return { ...params, axis: 0 }
}

/** A grid around 0 in 8 or 4 bits. */
function symmetricOf(encoding: Encoding, file: string): QuantParams {
  const { name, bits, signed, scale, zeroPoint } = encoding
  if (bits !== 8 && bits !== 4)
    throw new UnsupportedError(`"${name}" of the encodings ${file} has ${bits} bits; weights can have 8 or 4`, {
      file,
      tensor: name,
    })
  const middle = signed ? 0 : 2 ** (bits - 1)
  if (zeroPoint.some((zero) => zero !== middle))
    throw new UnsupportedError(
      `"${name}" of the encodings ${file} is not symmetric, and weights have the zero point 0: export them from a simulation with symmetric parameters`,
      { file, tensor: name },
    )
  const dtype = bits === 8 ? 'int8' : 'int4'
  return { dtype, scale: Float32Array.from(scale), zeroPoint: new Int32Array(scale.length), wholeRange: true }
}

/** How far a weight may lie beyond its grid, and its grid beyond the weight: what rounds by error clips, but not that much. */
const MOST_CLIPPED = 4
const MOST_UNUSED = 64

/** Grids of a weight in another form, before BatchNormalization was folded into it or after, are of another size. */
function reaches(encoding: Encoding, { weight, node, name }: Layer, file: string, label: string): void {
  const range = Math.max(...encoding.scale) * (2 ** (encoding.bits - 1) - 1)
  const largest = weight.floats().reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  if (largest <= MOST_CLIPPED * range && (largest === 0 || range <= MOST_UNUSED * largest)) return
  throw unfit(
    encoding,
    file,
    `reaches to ±${range.toPrecision(3)}, and the weight of ${node.opType} "${name}" of ${label}, with what is folded into it, to ±${largest.toPrecision(3)}: give the model that was exported with the encodings`,
  )
}

const unfit = ({ name }: Encoding, file: string, why: string) =>
  new InputError(`"${name}" of the encodings ${file} ${why}`, { file, tensor: name })
