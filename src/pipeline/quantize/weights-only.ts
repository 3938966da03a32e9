// Weight-only quantisation: 8 bits behind DequantizeLinear, or blocks of 4 bits for matrix products; activations stay float.
import { report } from '../../base/index.ts'
import type { Spill } from '../../calibrate/index.ts'
import { type Layer, layersOf, type Model, type Shapes, type Tensor } from '../../onnx/index.ts'
import {
  type BlockedWeight,
  embeddingGrids,
  insertBlocked,
  insertWeights,
  place,
  plainBlocks,
  type QuantizeOptions,
  quantizeDefaults,
  roundBlocked,
  storeInt4Weights,
  tablesOf,
  weightBitsOf,
  weightGrid,
  whyNotBlocked,
} from '../../quantize/index.ts'
import type { TechniqueRow } from '../../report/index.ts'
import { runtimeProducts, typesOf } from '../../runtime/index.ts'
import type { QuantizeRecipe } from '../recipe.ts'
import { embeddingNotes } from './embedding-notes.ts'
import { isBetter, Judge } from './judge.ts'
import { type ModeJob, needsSamples, type Produced } from './mode.ts'
import { gain, Rows } from './rows.ts'
import { untuned } from './static-mode.ts'

/** Quantises the weights of a float model; activations stay float. */
export async function quantizeWeightsAlone(job: ModeJob): Promise<Produced> {
  const { recipe, options, model, shapes, material, notes } = job
  const { withSpill = (work) => work(undefined) } = material
  if (recipe.tune === 'bias' || recipe.techniques?.includes('tune-bias'))
    notes.push(untuned('activations are not quantised, and biases are right as they are'))
  const { reasons, embeddings } = place(model, options, typesOf(model))
  const layers = layersOf(model).filter(
    (layer) => layer.weight.dtype === 'float32' && reasons.get(layer.name)?.code !== 'excluded',
  )
  const blocked = recipe.weightBits === 4 ? blockedLayers(model, layers, shapes, options) : []
  const inBlocks = new Set(blocked)
  const rest = layers.filter((layer) => !inBlocks.has(layer))
  addNotes(blocked, rest, recipe, notes)
  const tables = tablesOf(model.graph, embeddings)
  notes.push(...embeddingNotes(tables))
  const { written, ladder } = await withSpill((spill) => inBlocksOf(job, blocked, spill))
  return {
    // Layers of the written model are found again by their names: replaced nodes keep those.
    quantized: withDequantizedWeights(written, model, rest, tables, recipe, options),
    ...(ladder ? { ladder } : {}),
    plan: undefined,
    floatModel: model,
    shapes,
    float: [],
    rewrites: [],
  }
}

/** The blocked weights with the nearest codes, or with those of second order where they are better on what judges. */
async function inBlocksOf(
  job: ModeJob,
  blocked: readonly Layer[],
  spill: Spill | undefined,
): Promise<{ readonly written: Model; readonly ladder?: readonly TechniqueRow[] }> {
  const { runtime, recipe, model, notes, watch } = job
  const { samples } = job.material
  const write = (weights: ReadonlyMap<Layer, BlockedWeight>) =>
    insertBlocked(model, weights, { accuracyLevel: recipe.accuracyLevel })
  const plain = write(plainBlocks(blocked, recipe.block))
  if (blocked.length === 0 || !needsSamples(recipe) || recipe.rounding === 'plain' || recipe.effort === 'fast')
    return { written: plain }
  report(watch, 'techniques', 0, 1)
  const judge = await Judge.of(runtime, model, await samples.split())
  const rows = new Rows()
  rows.start()
  const before = await judge.score(plain, watch)
  rows.add('naive', true, before, `${judge.samples} held-back samples`)
  rows.start()
  const rounded = await rounding(job, blocked, spill)
  const second = write(new Map([...rounded].map(([layer, { weight }]) => [layer, weight])))
  const after = await judge.score(second, watch)
  const kept = recipe.rounding === 'gptq' || isBetter(after, before)
  rows.add('rounded', kept, after, gain(after, before))
  const nearest = [...rounded.values()].filter(({ how }) => how === 'plain').length
  if (kept && nearest > 0)
    notes.push(
      `${nearest} of ${rounded.size} layers keep the nearest codes: on held-back rows second-order rounding did not give a better output`,
    )
  return { written: kept ? second : plain, ladder: rows.all }
}

async function rounding(job: ModeJob, layers: readonly Layer[], spill: Spill | undefined) {
  const { runtime, recipe, model, shapes, watch } = job
  const products = runtimeProducts(runtime)
  try {
    const split = await job.material.samples.split()
    const batches = split.map(({ batch }) => batch.inputs)
    return await roundBlocked(runtime, model, layers, batches, {
      block: recipe.block,
      shapes,
      products,
      seed: recipe.seed,
      held: (batch) => split[batch]?.held === true,
      always: recipe.rounding === 'gptq',
      ...(spill ? { spill } : {}),
      ...watch,
    })
  } finally {
    await products.close()
  }
}

/** Matrix products whose weights lie in blocks; blocks hold 4 bits well, so only layers that are named keep 8. */
function blockedLayers(
  model: Model,
  layers: readonly Layer[],
  shapes: Shapes,
  { keep8bit }: QuantizeOptions,
): readonly Layer[] {
  const fit = layers.filter((layer) => whyNotBlocked(layer, shapes) === undefined)
  const named = isUsual(keep8bit) ? [] : keep8bit
  const bits = weightBitsOf(fit, model.graph.nodes, { weightBits: 4, keep8bit: named })
  return fit.filter(({ name }) => bits.get(name) === 4)
}

const isUsual = (words: readonly string[]) => words.join() === quantizeDefaults.keep8bit.join()

/** The other layers and the embeddings: a grid per channel behind DequantizeLinear, of 8 bits, or of 4 where int4 is asked for. */
function withDequantizedWeights(
  written: Model,
  float: Model,
  layers: readonly Layer[],
  tables: ReadonlyMap<string, Tensor>,
  { weightBits, weightStorage }: QuantizeRecipe,
  quantize: QuantizeOptions,
): Model {
  const few =
    weightBits === 4 && weightStorage === 'int4' ? weightBitsOf(layers, float.graph.nodes, quantize) : undefined
  const weights = new Map(layers.map((layer) => [layer.name, weightGrid(layer, quantize, few?.get(layer.name) ?? 8)]))
  const rows = embeddingGrids(layers, tables, weights, few)
  const result = insertWeights(written, weights, rows)
  const four = new Set([...(few ?? [])].flatMap(([name, bits]) => (bits === 4 ? [name] : [])))
  return four.size === 0 ? result : storeInt4Weights(result, four)
}

function addNotes(
  blocked: readonly Layer[],
  rest: readonly Layer[],
  { weightBits, weightStorage, block, accuracyLevel }: QuantizeRecipe,
  notes: string[],
): void {
  if (blocked.length > 0)
    notes.push(
      `${blocked.length} ${blocked.length === 1 ? 'weight lies' : 'weights lie'} in blocks of ${block} with 4 bits; ONNX Runtime reads them as they are (MatMulNBits) and ${accuracyLevel === 4 ? 'rounds activations to 8 bits inside' : 'computes in float'}`,
    )
  if (rest.length > 0)
    notes.push(
      `${rest.length} ${rest.length === 1 ? 'weight has' : 'weights have'} ${weightBits === 4 && weightStorage === 'int4' ? '4 or 8' : '8'} bits behind DequantizeLinear, which plain ONNX Runtime runs at each inference before it computes in float: a smaller file, not a faster one; session.disable_quant_qdq = "1" does it once at load`,
    )
}
