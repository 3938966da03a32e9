// Channel classes: which channels of which values must be treated alike, and which weights write and read them.
import { constantsOf, type Layer, layerOf } from '../layers.ts'
import { allInputs, capturesOf, type Model, subgraphsOf } from '../model.ts'
import type { Shapes } from '../shapes.ts'
import type { ChannelMap } from './channel-map.ts'
import { headedValues } from './heads.ts'
import { type LayerChannels, passLayer } from './layer-rule.ts'
import { passNode } from './rules.ts'
import { type ChannelCarrier, type ChannelClip, type ChannelPurpose, ChannelScope } from './scope.ts'

/**
 * The channels of a model. Every channel of every value that could be followed has a number; channels with the same number
 * share one factor, or go together. Equalisation scales a number, absorption shifts it, pruning takes it out.
 */
export interface ChannelGraph {
  /** Numbers are below this; not every number is used. */
  readonly size: number
  readonly layers: readonly LayerChannels[]
  readonly carriers: readonly ChannelCarrier[]
  readonly clips: readonly ChannelClip[]
  /** Numbers that must stay as they are, and why: "Softmax prob is Softmax". */
  readonly closed: ReadonlyMap<number, string>
  /** Channel axis and numbers of a value that has its channels on one axis. */
  readonly of: (value: string) => { readonly axis: number; readonly ids: Int32Array } | undefined
  /** Numbers of any value that was followed, along all axes that hold its channels. */
  readonly map: (value: string) => ChannelMap | undefined
}

/**
 * Follows the channels through the main graph. Graph inputs and outputs and what sub-graphs read are closed; so is what an
 * operator without a rule touches.
 * @param shapes observed shapes; what was not observed is not followed
 * @param gains products with a vector that begin channels of their own, whatever they multiply; by their output
 */
export function channelGraph(
  model: Model,
  shapes: Shapes,
  purpose: ChannelPurpose,
  gains: ReadonlySet<string> = new Set(),
): ChannelGraph {
  const { graph } = model
  const constants = constantsOf(graph)
  const scope = new ChannelScope(purpose, constants, shapes, gains)
  if (purpose === 'remove') scope.headed = headedValues(model, constants)
  for (const input of allInputs(graph)) {
    const dims = shapes.get(input.name)?.dims
    if (dims && dims.length >= 2 && input.dtype?.includes('float'))
      scope.set(input.name, {
        axes: [1],
        sizes: [dims[1] ?? 1],
        ids: scope.closedIds(dims[1] ?? 1, `"${input.name}" is a graph input`),
      })
  }
  const found: LayerChannels[] = []
  const captured = new Set(graph.nodes.flatMap((node) => subgraphsOf(node).flatMap((inner) => [...capturesOf(inner)])))
  for (const node of graph.nodes) {
    const layer: Layer | undefined = layerOf(node, constants)
    if (layer) {
      const channels = passLayer(scope, layer)
      if (channels) found.push(channels)
    } else passNode(scope, node)
    for (const output of node.outputs)
      if (captured.has(output)) {
        scope.closeValue(output, `"${output}" is read by a sub-graph`)
        for (const { ids } of scope.shapeValues.get(output) ?? []) scope.close(ids, `a sub-graph reads their number`)
      }
  }
  for (const output of graph.outputs) {
    scope.closeValue(output.name, `"${output.name}" is a graph output`)
    for (const { ids } of scope.shapeValues.get(output.name) ?? [])
      scope.close(ids, `the graph output "${output.name}" counts them`)
  }

  const roots = (ids: Int32Array): Int32Array => ids.map((id) => scope.sets.root(id))
  const closed = new Map<number, string>()
  for (const [id, why] of scope.closed) if (!closed.has(scope.sets.root(id))) closed.set(scope.sets.root(id), why)
  return {
    size: scope.sets.size,
    layers: found.map(({ layer, input, output }) => ({ layer, input: roots(input), output: roots(output) })),
    carriers: scope.carriers.map((carrier) => ({ ...carrier, ids: roots(carrier.ids) })),
    clips: scope.clips.map((clip) => ({ ...clip, ids: roots(clip.ids) })),
    closed,
    of: (value) => {
      const map = scope.map(value)
      return map?.axes.length === 1 ? { axis: map.axes[0] ?? 1, ids: roots(map.ids) } : undefined
    },
    map: (value) => {
      const map = scope.map(value)
      return map && { ...map, ids: roots(map.ids) }
    },
  }
}
