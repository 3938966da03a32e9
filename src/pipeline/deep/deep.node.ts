// compare --deep: a quantised file piece by piece in every runtime at hand, beside its simulation.
import { report, throwIfCancelled, type Watch } from '../../base/index.ts'
import { SqnrAccumulator, withoutFloat16 } from '../../math/index.ts'
import { codeLayersOf, constantsOf, isOp, type Model, nodeName } from '../../onnx/index.ts'
import { readsBytes, type Saturation, saturationOf, withFloatBlocks } from '../../quantize/index.ts'
import { openWebProcess, saturates } from '../../runtime/index.node.ts'
import { type Runtime, type SessionOptions, type Values, withSession } from '../../runtime/index.ts'
import {
  blockReader,
  cutModel,
  feedsOfPieces,
  hasIntegers,
  nameOfPiece,
  opsOfPiece,
  type Piece,
  piecesOf,
  watchedModel,
} from './cut.ts'
import { PieceDifference } from './difference.ts'
import type { DeepCause, DeepFigure, DeepLayer, DeepRun } from './run.ts'

/** A runtime, and how it opens a file. */
interface Way {
  readonly name: string
  readonly runtime: Runtime
  readonly options: SessionOptions
}

/** What is added up while samples go through. */
interface Tally {
  readonly pieces: Map<string, Map<string, PieceDifference>>
  readonly outputs: Map<string, Map<string, SqnrAccumulator>>
  readonly saturation: Map<string, Saturation>
}

const DEPLOYED = 'onnxruntime-node'
const EXACT = 'exact byte products'

/**
 * Runs a file as its users do, and cut into pieces which are fed what the simulation gives: with and without ONNX Runtime's graph
 * optimisation, and in WebAssembly where that is installed. What differs by more than a rounding tie gets a cause: on a processor whose sums
 * of bytes saturate, exact products tell whether that is it; on others what the codes would do there is computed.
 * @param samples the inputs of one sample each
 */
export async function compareDeep(
  runtime: Runtime,
  model: Model,
  samples: readonly Values[],
  { watch = {}, label = 'the model' }: { readonly watch?: Watch; readonly label?: string } = {},
): Promise<DeepRun> {
  const pieces = piecesOf(model)
  const web = openWebProcess()
  const asDeployed = true
  const ways: readonly Way[] = [
    { name: DEPLOYED, runtime, options: { asDeployed } },
    { name: `${DEPLOYED}, not optimised`, runtime, options: { asDeployed, optimization: 'disabled' } },
    ...(web ? [{ name: 'onnxruntime-web', runtime: web, options: {} }] : []),
  ]
  const probes = saturates() ? [{ name: EXACT, runtime, options: {} }] : []
  const tally: Tally = { pieces: new Map(), outputs: new Map(), saturation: new Map() }
  try {
    if (hasIntegers(model))
      for (const [index, inputs] of samples.entries()) {
        throwIfCancelled(watch.signal)
        report(watch, { step: 'deep', done: index, total: samples.length })
        await oneSample(model, pieces, inputs, { runtime, ways, probes, tally, label })
      }
    report(watch, { step: 'deep', done: samples.length, total: samples.length })
  } finally {
    await web?.close()
  }
  const layers = pieces.flatMap((piece) => layerOf(model, piece, ways, tally) ?? [])
  const names = ways.map(({ name }) => name)
  return {
    runtimes: Object.fromEntries(ways.map(({ name, runtime: { version } }) => [name, version])),
    samples: samples.length,
    layers,
    outputs: Object.fromEntries(
      names.map((name) => [
        name,
        Object.fromEntries([...(tally.outputs.get(name) ?? [])].map(([output, sum]) => [output, sum.db])),
      ]),
    ),
  }
}

interface Job {
  readonly runtime: Runtime
  readonly ways: readonly Way[]
  readonly probes: readonly Way[]
  readonly tally: Tally
  readonly label: string
}

async function oneSample(model: Model, pieces: readonly Piece[], inputs: Values, job: Job): Promise<void> {
  const { runtime, ways, probes, tally, label } = job
  const derived = 'comparing it layer by layer'
  const simulated = await withSession(
    runtime,
    watchedModel(withFloatBlocks(model), pieces),
    { simulate: true, derived, label },
    (session) => session.run(inputs),
  )
  const cut = cutModel(model, pieces, simulated)
  const feeds = feedsOfPieces(model, pieces, inputs, simulated)
  for (const { name, runtime: own, options } of [...ways, ...probes]) {
    const got = await withSession(own, cut, { ...options, derived, label }, (session) => session.run(feeds))
    const sums = entry(tally.pieces, name, () => new Map<string, PieceDifference>())
    for (const { value } of pieces) {
      const [a, b] = [simulated[value], got[value]]
      if (a && b) entry(sums, value, () => new PieceDifference()).add(a, b)
    }
  }
  for (const { name, runtime: own, options } of ways) {
    const got = withoutFloat16(await withSession(own, model, { ...options, label }, (session) => session.run(inputs)))
    const sums = entry(tally.outputs, name, () => new Map<string, SqnrAccumulator>())
    const reference = withoutFloat16(simulated)
    for (const { name: output } of model.graph.outputs) {
      const [a, b] = [reference[output]?.data, got[output]?.data]
      if (a instanceof Float32Array && b instanceof Float32Array)
        entry(sums, output, () => new SqnrAccumulator()).addKnown(a, b)
    }
  }
  addSaturation(model, pieces, { ...inputs, ...simulated }, tally)
}

/** What the codes of a sample would do on a processor whose sums saturate. */
function addSaturation(model: Model, pieces: readonly Piece[], values: Values, { saturation }: Tally): void {
  const names = new Map(pieces.flatMap(({ value, layers }) => layers.map((node) => [nodeName(node), value] as const)))
  for (const layer of codeLayersOf(model)) {
    const input = values[layer.read?.codes ?? '']
    const output = values[names.get(layer.layer.name) ?? '']
    // The layer's own output has the shape of the codes that are made of it, unless something moves them in between.
    const found =
      input && output && shapesFit(layer.layer.weight.shape, output.dims)
        ? saturationOf(layer, input, output.dims)
        : undefined
    if (!found || found.share === 0) continue
    const before = saturation.get(layer.layer.name)
    saturation.set(layer.layer.name, before && before.error > found.error ? before : found)
  }
}

/** A convolution gives as many dims as its kernel has, rows of a product at least two. */
function shapesFit(weight: readonly number[], output: readonly number[]): boolean {
  return weight.length > 2 ? weight.length === output.length && weight[0] === output[1] : output.length >= 2
}

function layerOf(model: Model, piece: Piece, ways: readonly Way[], tally: Tally): DeepLayer | undefined {
  const figures = ways.flatMap(({ name }) => {
    const found = tally.pieces.get(name)?.get(piece.value)
    return found ? [[name, figureOf(found)] as const] : []
  })
  if (figures.length === 0) return undefined
  const computed = piece.layers.map((node) => tally.saturation.get(nodeName(node))).find((each) => each !== undefined)
  const scale = stepOf(model, piece)
  const cause = figures.some(([, { differs }]) => differs) ? causeOf(model, piece, tally, computed) : undefined
  // Where this processor itself saturates, running it tells more than the sampled positions.
  const saturation = tally.pieces.has(EXACT) && cause !== 'saturation' ? undefined : computed
  return {
    name: nameOfPiece(piece),
    op: opsOfPiece(piece),
    nodes: piece.layers.map(nodeName),
    runtimes: Object.fromEntries(figures),
    ...(cause ? { cause } : {}),
    ...(saturation
      ? { saturation: { ...saturation, ...(scale === undefined ? {} : { steps: saturation.error / scale }) } }
      : {}),
  }
}

function figureOf({ steps, share, sqnrDb, differs }: PieceDifference): DeepFigure {
  return { steps, share, ...(sqnrDb === undefined ? {} : { sqnrDb }), differs }
}

/** Exact products where the default ones differ prove it; so does what the codes would do where nobody asked the processor. */
function causeOf(
  model: Model,
  { value, layers }: Piece,
  { pieces }: Tally,
  saturation: Saturation | undefined,
): DeepCause {
  if (layers.some(readsBytes) || layers.some(blockReader(model))) return 'rounded-input'
  const [deployed, exact] = [DEPLOYED, EXACT].map((name) => pieces.get(name)?.get(value))
  if (exact ? deployed?.differs && !exact.differs : saturation !== undefined) return 'saturation'
  return 'kernel'
}

/** The step of the grid that a piece ends in. */
function stepOf({ graph }: Model, { nodes }: Piece): number | undefined {
  const last = nodes.at(-1)
  return last && isOp(last, 'QuantizeLinear') ? constantsOf(graph)(last.inputs[1])?.floats()[0] : undefined
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key) ?? make()
  map.set(key, known)
  return known
}
