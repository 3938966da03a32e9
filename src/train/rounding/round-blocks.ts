// AdaRound block by block: the roundings of neighbouring layers are learned together, by the error at the end of their block.
import { report, type TensorValue, type Watch } from '../../base/index.ts'
import { extractModel, type Layer, type Model, nodeName, Tensor, withTensors } from '../../onnx/index.ts'
import {
  type LayerSlots,
  layersIn,
  type Plan,
  type PlannedPair,
  type QuantizedPair,
  slotsOf,
} from '../../quantize/index.ts'
import { type Runtime, type Values, withSession } from '../../runtime/index.ts'
import { withTrainingSession } from '../blocked/session.ts'
import type { Emitter } from '../graph/emitter.ts'
import { features } from '../loss/features.ts'
import { adam } from '../optimizers/optimizer.ts'
import type { Parameter } from '../parameters.ts'
import { prepareModel } from '../prepare.ts'
import { scaleDims, topCode } from '../quant/grids.ts'
import { simulatePairs, withFloatConstants } from '../quant/qdq-simulation.ts'
import { buildTrainingGraph, FEEDS } from '../training-graph.ts'
import { type Block, blocksOf } from './blocks.ts'
import { betaAt, GAMMA, inverseOf, rectifiedSigmoid, regularizerSlope, ZETA } from './relaxation.ts'

export interface RoundBlocksOptions extends Watch {
  /** Adam's steps a block; default 300. */
  readonly iterations?: number
  /** Adam's step on V. */
  readonly rate?: number
  /** Weight of the regulariser; the block's error is scaled to 1 a weight when rounded to nearest. */
  readonly lambda?: number
  /** Batches that only judge; default: every fourth. */
  readonly validation?: (batch: number) => boolean
}

export interface RoundedBlock extends Block {
  /** Square error at the block's end over the square size of the float values, on batches that only judge. */
  readonly before: number
  readonly after: number
  /** Share of the weights whose code changed; 0 when the old codes were kept. */
  readonly changed: number
}

export interface RoundedBlocks {
  readonly model: Model
  readonly blocks: readonly RoundedBlock[]
}

const defaults = { iterations: 300, rate: 0.02, lambda: 1, beta: { warmStart: 0.2, from: 20, to: 2 } }
/** V at which a weight is rounded up or down for good. */
const HARD = 10

/**
 * Rounds the weights of a written Q/DQ model anew, without labels (arXiv 2004.10568, sections 3.2 and 3.3; blocks as in BRECQ, arXiv
 * 2102.05426, section 3.2). A block reads what the model quantised and rounded so far makes, and aims at the float model's values.
 * Scales, biases and activations stay. A block keeps its old codes where the new ones are no better on batches that only judge.
 * @param batches samples of one size, several a batch
 */
export async function roundBlocks(
  runtime: Runtime,
  { float, quantized, plan }: PlannedPair,
  batches: readonly Values[],
  options: RoundBlocksOptions = {},
): Promise<RoundedBlocks> {
  const validation = options.validation ?? ((index: number) => index % 4 === 3)
  const used = batches.filter((_, index) => !validation(index))
  const judges = batches.filter((_, index) => validation(index))
  const done: RoundedBlock[] = []
  let model = quantized
  const blocks = blocksOf(float)
  for (const [index, block] of blocks.entries()) {
    report(options, { step: 'round blocks', done: index, total: blocks.length, message: block.layers.join(', ') })
    const targets = targetsOf(block, float, model, plan)
    if (targets.length === 0 || used.length === 0) continue
    const codes = await learn(
      runtime,
      { float, quantized: model },
      { end: block.output, targets, batches: used },
      options,
    )
    const next = withTensors(model, codes)
    const scored = judges.length > 0 ? judges : used
    const aims = await valuesAt(runtime, { model: float, value: block.output }, scored)
    const error = (made: Model) => errorOf(runtime, { model: made, value: block.output }, scored, aims)
    const [before, after] = [await error(model), await error(next)]
    const better = after < before
    done.push({ ...block, before, after: better ? after : before, changed: better ? changedShare(model, codes) : 0 })
    if (better) model = next
  }
  return { model, blocks: done }
}

/** A layer whose roundings are learned. */
interface Target {
  readonly layer: Layer
  readonly slots: LayerSlots
  /** The lower code of each weight, and its V at first. */
  readonly floors: Float32Array
  readonly first: Float32Array
  readonly scales: Tensor
  readonly top: number
}

/** The layers of a block that are learned together, and the value that says how well. */
interface Learned {
  readonly end: string
  readonly targets: readonly Target[]
  readonly batches: readonly Values[]
}

function targetsOf({ layers }: Block, float: Model, model: Model, plan: Plan): Target[] {
  const slots = slotsOf(model)
  return layersIn(float, plan.placement.layers).flatMap((layer): Target[] => {
    const own = slots.get(layer.name)
    const params = plan.weights.get(layer.name)
    const scale = model.graph.initializers.get(own?.scale ?? '')
    const stored = model.graph.initializers.get(own?.codes ?? '')?.dtype
    if (!own || !params || !scale || stored !== 'int8' || !layers.includes(layer.name)) return []
    const weights = layer.weight.floats()
    const scales = Tensor.from('float32', scaleDims(layer, params), scale.floats())
    const run = params.axis === undefined ? weights.length : weights.length / stride(layer, params.axis)
    const ratio = weights.map((w, i) => w / (scale.floats()[Math.floor(i / run) % scale.size] ?? 1))
    const floors = ratio.map(Math.floor)
    const first = ratio.map((value, i) => inverseOf(value - (floors[i] ?? 0)))
    return [{ layer, slots: own, floors, first, scales, top: topCode(plan, layer.name) }]
  })
}

/** Elements before and along an axis: how many runs share one index of it in turn. */
function stride({ weight }: Layer, axis: number): number {
  return weight.shape.slice(0, axis + 1).reduce((a, b) => a * b, 1)
}

const nameOf = ({ layer }: Target) => `train/round/${layer.name}`

/** New codes of a block's layers, by the name of their tensor. */
async function learn(
  runtime: Runtime,
  { float, quantized }: QuantizedPair,
  { end, targets, batches }: Learned,
  options: RoundBlocksOptions,
): Promise<Map<string, Tensor>> {
  const { iterations = defaults.iterations, rate = defaults.rate, lambda = defaults.lambda, signal } = options
  const [sample = {}] = batches
  const batch = Object.values(sample)[0]?.dims[0] ?? 1
  const constants = withFloatConstants(quantized)
  const prepared = await prepareModel(runtime, constants, firstOf(sample), {
    batch,
    batchNorm: 'training',
    asItIs: true,
    signal,
  })
  const graph = await buildTrainingGraph(prepared, {
    parameters: [],
    loss: [features({ values: [end] })],
    transform: (g) => {
      const renamed = simulatePairs(g)
      return { parameters: targets.map((target) => softened(g, target)), renamed }
    },
  })
  const aims = await valuesAt(runtime, { model: float, value: end }, batches)
  const values = new Map(targets.map((target) => [nameOf(target), target.first.slice()]))
  const optimizer = adam()
  const moments = new Map(
    [...values].map(([name, v]) => [name, [new Float32Array(v.length), new Float32Array(v.length)]]),
  )
  const weights = targets.reduce((sum, { floors }) => sum + floors.length, 0)
  await withTrainingSession(runtime, graph, async (session) => {
    const run = (index: number, given: ReadonlyMap<string, Float32Array>) =>
      session.run({
        ...batches[index % batches.length],
        [FEEDS.teacher(end)]: aims[index % aims.length]!,
        [FEEDS.sampleWeight]: { dtype: 'float32', dims: [batch], data: new Float32Array(batch).fill(1) },
        ...Object.fromEntries(
          graph.parameters.map(({ name, dims }) => [name, { dtype: 'float32' as const, dims, data: given.get(name)! }]),
        ),
      })
    const nearest = new Map(
      [...values].map(([name, v]) => [name, v.map((x) => (rectifiedSigmoid(x) >= 0.5 ? HARD : -HARD))]),
    )
    const unit = Number((await run(0, nearest))[graph.loss]?.data[0]) || 1
    for (let step = 0; step < iterations; step++) {
      signal?.throwIfAborted()
      const results = await run(step, values)
      const strength = betaAt(step, { iterations, ...defaults.beta })
      for (const { name, gradient } of graph.parameters) {
        const [v, slope] = [values.get(name)!, results[gradient]?.data as Float32Array]
        for (let i = 0; i < v.length; i++) {
          const pull = strength === undefined ? 0 : lambda * regularizerSlope(v[i]!, strength)
          slope[i] = (slope[i]! * weights) / unit + pull
        }
        optimizer.update(v, slope, moments.get(name)!, { rate, decay: 0, step: step + 1 })
      }
    }
  })
  return new Map(targets.map((target) => [target.slots.codes, codesOf(quantized, target, values.get(nameOf(target))!)]))
}

/** Puts s·clip(⌊w/s⌋ + h(V)) in the place of a layer's weight. */
function softened(g: Emitter, target: Target): Parameter {
  const { layer, floors, scales, top } = target
  const name = nameOf(target)
  const dims = layer.weight.shape
  g.editor.graph.inputs.push({ name, dtype: 'float32', shape: dims })
  g.declare(name, dims)
  const stretched = g.plus(g.scaled(g.unary('Sigmoid', name), ZETA - GAMMA), g.scalar(GAMMA))
  const share = g.add('Clip', [stretched, g.scalar(0), g.scalar(1)], dims)
  const code = g.plus(g.constant(Tensor.from('float32', dims, floors)), share)
  const inside = g.add('Clip', [code, g.scalar(-top), g.scalar(top)], dims)
  const weight = g.times(inside, g.constant(scales))
  const node = g.editor.nodes().find((candidate) => nodeName(candidate) === layer.name)
  if (node) g.editor.setInput(node, layer.weightIndex, weight)
  return { name, kind: 'other', dims, node: layer.name }
}

function codesOf(model: Model, { slots, floors, top }: Target, v: Float32Array): Tensor {
  const shape = model.graph.initializers.get(slots.codes)?.shape ?? [v.length]
  const codes = floors.map((floor, i) =>
    Math.min(Math.max(floor + (rectifiedSigmoid(v[i]!) >= 0.5 ? 1 : 0), -top), top),
  )
  return Tensor.from('int8', shape, Int8Array.from(codes))
}

function firstOf(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, { dtype, dims, data }]): [string, TensorValue] => {
      const one = [1, ...dims.slice(1)]
      return [name, { dtype, dims: one, data: data.slice(0, data.length / (dims[0] ?? 1)) } as TensorValue]
    }),
  )
}

/** A value of a model; of a simulated Q/DQ model in front of the pair that stands there. */
interface ModelValue {
  readonly model: Model
  readonly value: string
  readonly simulate?: boolean
}

/** The value on each batch. */
async function valuesAt(
  runtime: Runtime,
  { model, value, simulate = false }: ModelValue,
  batches: readonly Values[],
): Promise<TensorValue[]> {
  const part = extractModel(model, [{ name: value, dtype: 'float32' }])
  return withSession(runtime, part, { simulate, derived: 'rounding its blocks' }, async (session) => {
    const found: TensorValue[] = []
    for (const batch of batches) {
      const results = await session.run(Object.fromEntries(part.graph.inputs.map(({ name }) => [name, batch[name]!])))
      found.push(results[value]!)
    }
    return found
  })
}

/** Squared error of a simulated Q/DQ model's value, as a share of what it should be. */
async function errorOf(
  runtime: Runtime,
  at: Omit<ModelValue, 'simulate'>,
  batches: readonly Values[],
  aims: readonly TensorValue[],
): Promise<number> {
  const found = await valuesAt(runtime, { ...at, simulate: true }, batches)
  let [error, size] = [0, 0]
  for (const [index, { data }] of aims.entries())
    for (let i = 0; i < data.length; i++) {
      const aim = Number(data[i])
      error += (Number(found[index]?.data[i]) - aim) ** 2
      size += aim * aim
    }
  return error / (size || 1)
}

function changedShare(model: Model, codes: ReadonlyMap<string, Tensor>): number {
  let [changed, total] = [0, 0]
  for (const [name, tensor] of codes) {
    const old = model.graph.initializers.get(name)?.numbers()
    for (const [i, code] of tensor.numbers().entries()) if (code !== old?.[i]) changed++
    total += tensor.size
  }
  return changed / Math.max(1, total)
}
