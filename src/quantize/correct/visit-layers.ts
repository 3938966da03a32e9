// The layers of a written Q/DQ model beside those of its float model, one after the other, in one walk over both.
import type { Watch } from '../../base/index.ts'
import { type Spill, type Stop, type StopView, walk } from '../../calibrate/index.ts'
import { consumersOf, type Layer, layersOf, type Model, nodeName, type Shapes } from '../../onnx/index.ts'
import { tiedTensors } from '../../rewrite/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import { biasAddOf } from '../bias-add.ts'
import { readingOf, type Scalar, surroundingsOf } from '../heard.ts'
import type { QuantizedPair } from './quantized-pair.ts'
import { type LayerSlots, slotsOf } from './slots.ts'

export interface VisitOptions extends Watch {
  /** Observed shapes of the float model. */
  readonly shapes: Shapes
  /** Does a batch only judge, and take no part in what is fitted? */
  readonly validation?: (batch: number) => boolean
  readonly spill?: Spill
}

/** A walk with its samples, and what it is called. */
export interface Walk extends VisitOptions {
  readonly step: string
  readonly batches: readonly Values[]
}

/** A layer at which the walk stands: everything before it is as it will be. */
export interface VisitedLayer {
  readonly view: StopView
  /** The layer in the float model. */
  readonly layer: Layer
  readonly slots: LayerSlots
  /** Do other layers or an embedding use its codes too? */
  readonly shared: boolean
  /** What its readers make of its output, element by element; absent where they read it as it is. */
  readonly reading?: Scalar
}

/**
 * Walks both models with the same samples and stops at every layer that the Q/DQ model has under the float model's name.
 * @returns the Q/DQ model as the visits left it
 */
export function visitLayers(
  runtime: Runtime,
  { float, quantized }: QuantizedPair,
  { step, batches, ...options }: Walk,
  visit: (at: VisitedLayer) => Promise<void>,
): Promise<Model> {
  const slots = slotsOf(quantized)
  const shared = usedTwice([...slots.values()].map(({ codes }) => codes))
  const tied = tiedTensors(float.graph)
  const layers = new Map(layersOf(float).map((layer) => [nodeName(layer.node), layer]))
  const consumers = consumersOf(float.graph.nodes)
  const stops: Stop[] = []
  const around = surroundingsOf(float.graph)
  for (const [name, { node }] of layers) {
    const own = slots.get(name)
    const added = biasAddOf(node, consumers, (constant) => float.graph.initializers.get(constant))
    if (own) stops.push({ name, value: (added?.add ?? node).outputs[0] ?? '', changedValue: own.output })
  }
  const visitor = {
    visit: async (view: StopView) => {
      const [layer, own] = [layers.get(view.name), slots.get(view.name)]
      const reading = readingOf(view.value, around)
      if (layer && own)
        await visit({
          view,
          layer,
          slots: own,
          shared: shared.has(own.codes) || tied.has(layer.weight),
          ...(reading ? { reading } : {}),
        })
    },
  }
  const { shapes, progress, signal, spill } = options
  return walk(runtime, float, quantized, {
    ...{ stops, batches, visitor },
    shapes,
    step,
    progress,
    signal,
    ...(spill ? { spill } : {}),
  })
}

function usedTwice(names: readonly string[]): Set<string> {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const name of names) (seen.has(name) ? twice : seen).add(name)
  return twice
}
