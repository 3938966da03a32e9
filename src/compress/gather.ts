// Moments of every layer's inputs in one pass of the float model: what the selection starts from.
import { report, type TensorValue, throwIfCancelled, type Watch } from '../base/index.ts'
import {
  choosePositions,
  gatherPatches,
  MomentFeed,
  Moments,
  type Positions,
  patchSize,
  positionsOf,
} from '../calibrate/index.ts'
import { type Products, randomStream } from '../math/index.ts'
import { extractModel, type Model, type Shapes } from '../onnx/index.ts'
import { type Runtime, type Values, withSession } from '../runtime/index.ts'
import type { CompressibleLayer } from './layers.ts'
import { covarianceBytes, inParts } from './parts.ts'

export interface SamplingOptions extends Watch {
  readonly shapes: Shapes
  readonly seed: number
  /** Output positions taken of each sample, at most. */
  readonly perSample: number
}

/** Patches longer than this have no covariance: a matrix of 4,608² takes 170 MB, and its factors minutes. */
export const LONGEST_PATCH = 2304

/** The selection only compares: this many samples for each unknown tell as much as more, in a fraction of the time. */
const ENOUGH = 16
const FEWEST = 8

/** Positions of a layer's output in one batch; the same for everybody who asks with the same seed. */
export function positionsFor(
  { name, geometry }: CompressibleLayer,
  outputDims: readonly number[],
  batch: number,
  { seed, perSample }: SamplingOptions,
): Positions {
  const random = randomStream(seed, `positions of ${name} in batch ${batch}`)
  return choosePositions(outputDims[0] ?? 1, positionsOf(geometry, outputDims), perSample, random)
}

export interface InputMomentsOptions extends SamplingOptions {
  readonly products: Products
  readonly layers: readonly CompressibleLayer[]
  readonly batches: readonly Values[]
}

/**
 * Runs the float model over the batches and hands each layer's input moments, one a group, to `use`; they are dropped
 * afterwards. Layers with patches longer than `LONGEST_PATCH` are handed undefined.
 */
export async function inputMoments(
  runtime: Runtime,
  model: Model,
  options: InputMomentsOptions,
  use: (layer: CompressibleLayer, moments: readonly Moments[] | undefined) => Promise<void>,
): Promise<void> {
  const { products, layers, batches } = options
  let done = 0
  // Layers whose covariances do not fit beside the others' take another run of the model.
  const parts = inParts(layers, ({ geometry }) => covarianceBytes(patchSize(geometry), geometry.groups, LONGEST_PATCH))
  for (const part of parts) {
    const watched = part.filter(({ geometry }) => patchSize(geometry) <= LONGEST_PATCH)
    const moments = new Map(
      watched.map((layer) => {
        const { geometry } = layer
        return [layer, Array.from({ length: geometry.groups }, () => new Moments(patchSize(geometry)))] as const
      }),
    )
    const feeding = new Map(
      [...moments].map(([layer, sums]) => [layer, sums.map((sum) => new MomentFeed(products, sum))] as const),
    )
    if (watched.length > 0)
      await withSession(
        runtime,
        watcher(model, watched, options.shapes),
        { derived: 'reading its inner values' },
        async (session) => {
          for (const [index, feeds] of batches.entries()) {
            throwIfCancelled(options.signal)
            report(options, {
              step: 'select',
              done: done * batches.length + index * part.length,
              total: layers.length * batches.length,
            })
            const needed = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputs.includes(name)))
            const values: Readonly<Record<string, TensorValue>> = { ...(await session.run(needed)), ...feeds }
            for (const [layer, feeds] of feeding)
              await addInputs(layer, feeds, { value: values[layer.input], index }, options)
          }
        },
      )
    for (const layer of part) {
      for (const feed of feeding.get(layer) ?? []) await feed.finish()
      await use(layer, moments.get(layer))
      moments.delete(layer)
    }
    done += part.length
  }
  report(options, { step: 'select', done: 1, total: 1 })
}

async function addInputs(
  layer: CompressibleLayer,
  feeds: readonly MomentFeed[],
  { value, index }: { readonly value: TensorValue | undefined; readonly index: number },
  options: InputMomentsOptions,
): Promise<void> {
  if (!value) return
  const dims = outputDims(layer, value, options.shapes)
  const samples = options.batches.length * (dims[0] ?? 1)
  const perSample = enoughPerSample(layer, samples, { rows: ENOUGH, least: FEWEST, most: options.perSample })
  const positions = positionsFor(layer, dims, index, { ...options, perSample })
  const rows = positions.samples * positions.perSample
  for (const [group, feed] of feeds.entries())
    gatherPatches(layer.geometry, { input: value, outputDims: dims }, positions, {
      group,
      room: (await feed.next(rows)).x,
    })
}

/** Dims of a layer's output for an input value: those observed, with this value's number of samples. */
function outputDims({ output }: CompressibleLayer, value: TensorValue, shapes: Shapes): number[] {
  const [, ...rest] = shapes.get(output)?.dims ?? []
  return [value.dims[0] ?? 1, ...rest]
}

/** Positions of a sample that give `rows` rows for each unknown, between `least` and `most`. */
export function enoughPerSample(
  { geometry }: CompressibleLayer,
  samples: number,
  { rows, least, most }: { readonly rows: number; readonly least: number; readonly most: number },
): number {
  return Math.min(most, Math.max(least, Math.ceil((rows * patchSize(geometry)) / Math.max(1, samples))))
}

/** The model with the layers' inputs as its outputs. */
function watcher(model: Model, layers: readonly CompressibleLayer[], shapes: Shapes): Model {
  const inputs = new Set(model.graph.inputs.map((input) => input.name))
  const values = [...new Set(layers.map((layer) => layer.input))].filter((value) => !inputs.has(value))
  // A part of layers that all read model inputs still needs something to run.
  const outputs = values.length > 0 ? values : model.graph.outputs.map((output) => output.name)
  return extractModel(
    model,
    outputs.map((name) => {
      const dtype = shapes.get(name)?.dtype
      return { name, ...(dtype ? { dtype } : {}) }
    }),
  )
}
