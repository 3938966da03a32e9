// Weight-only quantisation: 8 bits behind DequantizeLinear, or blocks of 4 or 8 bits for matrix products; activations stay float.
import type { Spill } from '../../calibrate/index.ts'
import { type Layer, layersOf, type Model, type Tensor } from '../../onnx/index.ts'
import {
  type BlockedTables,
  type BlockedWeight,
  type BlockFormat,
  blockedTables,
  embeddingGrids,
  type FloatCode,
  insertBlocked,
  insertNf4,
  insertWeights,
  nf4Weights,
  place,
  quantizeDefaults,
  storeInt4Weights,
  tablesOf,
  tiedLayers,
  weightBitsOf,
  weightGrid,
  whyNotBlocked,
} from '../../quantize/index.ts'
import type { QuantizeRecipe } from '../../recipe/index.ts'
import type { TechniqueRow } from '../../report/index.ts'
import { typesOf } from '../../runtime/index.ts'
import { type Blocked, type CodeJudge, codesOfWeights, judgedCodes } from './block-codes.ts'
import { embeddingNotes } from './embedding-notes.ts'
import { Judge } from './judge.ts'
import { type MixedOptions, mixedBits } from './mixed-bits.ts'
import { type ModeJob, needsSamples, type Produced } from './mode.ts'
import { blockOf } from './options-for.ts'
import { Rows } from './rows.ts'
import { sharedOr } from './shared-work.ts'
import { untuned } from './static-mode.ts'

const NO_TABLES: BlockedTables = { tables: new Map(), tied: new Map() }

/** Why a weight stays float in this mode. */
const LEFT: ReadonlySet<FloatCode | undefined> = new Set(['excluded', 'read-elsewhere'])

/** Quantises the weights of a float model; activations stay float. */
export async function quantizeWeightsAlone(job: ModeJob): Promise<Produced> {
  const { recipe, options, model, shapes, material, notes } = job
  const { withSpill = (work) => work(undefined) } = material
  if (recipe.tune === 'bias' || recipe.techniques?.includes('tune-bias'))
    notes.push(untuned('activations are not quantised, and biases are right as they are'))
  const { reasons, embeddings } = place(model, options, typesOf(model))
  const layers = layersOf(model).filter(
    ({ weight, name }) => weight.dtype === 'float32' && !LEFT.has(reasons.get(name)?.code),
  )
  const block = blockOf(recipe)
  const all = tablesOf(model.graph, embeddings)
  const inBlocks = recipe.embeddings === 4 ? blockedTables(all, layers, block ?? 32) : NO_TABLES
  const tables = new Map([...all].filter(([gather]) => !inBlocks.tables.has(gather)))
  const tied = block === undefined ? new Map() : inBlocks.tied
  // What shares an embedding of 8 bits keeps them: its codes are stored once.
  const shared = new Set([
    ...inBlocks.tied.keys(),
    ...[...tables.values()].flatMap((table) => tiedLayers(layers, table)),
  ])
  const formats =
    block === undefined
      ? new Map()
      : blockFormats(
          job,
          layers.filter((layer) => !shared.has(layer)),
          block,
        )
  // Layers of the written model are found again by their names: replaced nodes keep those.
  const withRest = (written: Model, blocked: ReadonlyMap<Layer, unknown>) => {
    const rest = layers.filter((layer) => !blocked.has(layer))
    return withDequantizedWeights(written, rest, tables, { recipe, model, options })
  }
  const unchanged = { plan: undefined, floatModel: model, shapes, float: [], rewrites: [] }
  if (recipe.weightForm === 'bnb4') {
    const weights = nf4Weights(formats.keys(), block ?? 64)
    addNotes(weights.size, kindsOf(layers.filter((layer) => !weights.has(layer))), recipe, notes)
    notes.push(...embeddingNotes(tables))
    return { ...unchanged, quantized: withRest(insertNf4(model, weights), weights) }
  }
  const form = { form: recipe.weightForm, accuracyLevel: recipe.accuracyLevel }
  const write = (weights: Blocked) => insertBlocked(model, weights, form)
  const finish = (weights: Blocked) => {
    const blocked = new Map([...weights, ...tied])
    return withRest(insertBlocked(model, blocked, form, inBlocks.tables), blocked)
  }
  const work = () => withSpill((spill) => blockedWeights(job, formats, { write, finish }, spill))
  const { weights, ladder } = await sharedWeights(job, formats, work)
  const lying = weights.size + tied.size
  const rest = layers.filter((layer) => !weights.has(layer) && !tied.has(layer))
  addNotes(lying, kindsOf(rest), recipe, notes)
  notes.push(...embeddingNotes(tables))
  if (recipe.embeddings === 4)
    notes.push(...embeddingNotes(new Map([...all].filter(([gather]) => inBlocks.tables.has(gather))), block ?? 32))
  return {
    ...unchanged,
    quantized: finish(weights),
    ...(ladder ? { ladder } : {}),
  }
}

interface Chosen {
  readonly weights: Blocked
  readonly ladder?: readonly TechniqueRow[]
}

/** Codes that another quantisation found for the same weights, whatever the opset of the model around them; or what `work` finds. */
async function sharedWeights(
  { recipe, material: { shared } }: ModeJob,
  formats: ReadonlyMap<Layer, BlockFormat>,
  work: () => Promise<Chosen>,
): Promise<Chosen> {
  const found = await sharedOr(shared, 'codes', recipe, work)
  const known = new Map([...found.weights].map(([layer, weight]) => [layer.name, { layer, weight }]))
  const own = new Map<Layer, BlockedWeight>()
  for (const layer of formats.keys()) {
    const same = known.get(layer.name)
    if (!same || !sameWeight(same.layer, layer)) return work()
    own.set(layer, same.weight)
  }
  return { ...found, weights: own }
}

function sameWeight(a: Layer, b: Layer): boolean {
  if (a.weight === b.weight) return a.view?.outputAxis === b.view?.outputAxis
  const [own, other] = [a.weight.bytes, b.weight.bytes]
  return (
    a.view?.outputAxis === b.view?.outputAxis &&
    a.weight.shape.join() === b.weight.shape.join() &&
    own.every((byte, i) => byte === other[i])
  )
}

/** The weights in blocks, with the codes that are best on what judges, and 4 or 8 bits where a promise asks for it. */
async function blockedWeights(
  job: ModeJob,
  formats: ReadonlyMap<Layer, BlockFormat>,
  { write, finish }: Pick<MixedOptions, 'finish'> & Pick<CodeJudge, 'write'>,
  spill: Spill | undefined,
): Promise<Chosen> {
  const { runtime, recipe, model } = job
  const block = blockOf(recipe) ?? 0
  const mixes = recipe.weightBits === 4
  if (formats.size === 0) return { weights: new Map() }
  const judges = needsSamples(recipe) && recipe.effort !== 'fast'
  const asked = recipe.rounding ?? (mixes ? 'gptq' : 'plain')
  if (!judges || (asked === 'plain' && recipe.maxBytes === undefined && recipe.minSqnr === undefined)) {
    const plain = codesOfWeights(job, formats)
    return { weights: mixes ? await mixedBits(job, plain, { block, finish }) : plain }
  }
  const judge = await Judge.of(runtime, model, await job.material.samples.split())
  const judging = { judge, rows: new Rows(), write }
  const codes = await judgedCodes(job, formats, judging, spill)
  const weights = mixes ? await mixedBits(job, codes, { block, finish, judging }) : codes
  return { weights, ladder: judging.rows.all }
}

/** Matrix products whose weights lie in blocks; blocks hold 4 bits well, so only layers that are named keep 8 bits a channel. */
function blockFormats(
  { model, shapes, recipe: { weightBits }, options: { keep8bit } }: ModeJob,
  layers: readonly Layer[],
  block: number,
): ReadonlyMap<Layer, BlockFormat> {
  const fit = layers.filter((layer) => whyNotBlocked(layer, shapes) === undefined)
  const named = isUsual(keep8bit) ? [] : keep8bit
  const bits = weightBitsOf(fit, model.graph.nodes, { weightBits, keep8bit: named })
  return new Map(
    fit.flatMap((layer) => (bits.get(layer.name) === weightBits ? [[layer, { block, bits: weightBits }]] : [])),
  )
}

const isUsual = (words: readonly string[]) => words.join() === quantizeDefaults.keep8bit.join()

/** The other layers and the embeddings: a grid per channel behind DequantizeLinear, of 8 bits, or of 4 where int4 is asked for. */
function withDequantizedWeights(
  written: Model,
  layers: readonly Layer[],
  tables: ReadonlyMap<string, Tensor>,
  { recipe: { weightBits, weightStorage }, model, options }: Pick<ModeJob, 'recipe' | 'model' | 'options'>,
): Model {
  const few =
    weightBits === 4 && weightStorage === 'int4' ? weightBitsOf(layers, model.graph.nodes, options) : undefined
  const weights = new Map(layers.map((layer) => [layer.name, weightGrid(layer, options, few?.get(layer.name) ?? 8)]))
  const rows = embeddingGrids(layers, tables, weights, { weightBits: few })
  const result = insertWeights(written, weights, rows)
  const four = new Set([...(few ?? [])].flatMap(([name, bits]) => (bits === 4 ? [name] : [])))
  return four.size === 0 ? result : storeInt4Weights(result, four)
}

interface Kinds {
  readonly products: number
  readonly others: number
}

function kindsOf(layers: readonly Layer[]): Kinds {
  const products = layers.filter(({ facts }) => facts.channels === 'last').length
  return { products, others: layers.length - products }
}

/** What ONNX Runtime does with weights in blocks, and with the rest, whose grids are those of channels. */
function addNotes(blocked: number, rest: Kinds, recipe: QuantizeRecipe, notes: string[]): void {
  const { weightBits, weightStorage, weightForm, accuracyLevel } = recipe
  const rounds = 'which on a CPU rounds activations to 8 bits inside unless session.qdq_matmulnbits_accuracy_level is 1'
  if (blocked > 0 && weightForm === 'bnb4')
    notes.push(
      `${blocked} ${blocked === 1 ? 'weight lies' : 'weights lie'} in blocks of ${blockOf(recipe)} as 4-bit NormalFloat (MatMulBnb4); ONNX Runtime computes in float`,
    )
  else if (blocked > 0) {
    const where = `${blocked} ${blocked === 1 ? 'weight lies' : 'weights lie'} in blocks of ${blockOf(recipe)} with ${weightBits} bits`
    notes.push(
      weightForm === 'onnx'
        ? `${where} behind DequantizeLinear of opset 21; ONNX Runtime makes MatMulNBits of it, ${rounds}`
        : `${where}; ONNX Runtime reads them as they are (MatMulNBits) and ${accuracyLevel === 4 ? 'rounds activations to 8 bits inside' : weightBits === 8 ? 'computes in float, which on a CPU is slow with 8 bits; --accuracy-level 4 is fast' : 'computes in float'}`,
    )
  }
  const bits = weightBits === 4 && weightStorage === 'int4' ? '4 or 8' : '8'
  const have = (count: number, what: string) => `${count} ${what}${count === 1 ? ' has' : 's have'} ${bits} bits`
  if (rest.products > 0)
    notes.push(
      `${have(rest.products, 'weight')} behind DequantizeLinear; ONNX Runtime makes MatMulNBits of products of matrices, ${rounds}`,
    )
  if (rest.others > 0)
    notes.push(
      `${have(rest.others, 'kernel')} behind DequantizeLinear, which plain ONNX Runtime runs at each inference before it computes in float: a smaller file, not a faster one; session.disable_quant_qdq = "1" does it once at load`,
    )
}
