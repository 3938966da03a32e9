// The difference of two models in words: for the terminal and for a pull request.
import type { ChangedLayer, LayerAspect, LayerForm, ModelDifference } from '../../onnx/index.ts'
import { formatPlural } from '../../report/index.ts'

/** Layers that changed in the same way, or were added or removed alike. */
export interface LayerGroup {
  readonly what: 'changed' | 'added' | 'removed'
  readonly names: readonly string[]
  /** How the layers were and are: "Conv, float32"; absent for what was not, or is not any more. */
  readonly before?: string
  readonly after?: string
}

/** The layers that differ, those with the same change together, in the order of the graph. */
export function layerGroups({ layers }: ModelDifference): LayerGroup[] {
  const groups = new Map<string, { group: Omit<LayerGroup, 'names'>; names: string[] }>()
  const add = (group: Omit<LayerGroup, 'names'>, name: string) => {
    const key = JSON.stringify(group)
    const own = groups.get(key)
    if (own) own.names.push(name)
    else groups.set(key, { group, names: [name] })
  }
  for (const { before, after, aspects } of layers.changed) {
    const told = toldOf(aspects)
    const name = aspects.includes('name') ? `${before.name} → ${after.name}` : before.name
    add({ what: 'changed', before: wordsOf(before, told), after: wordsOf(after, told) }, name)
  }
  for (const layer of layers.added) add({ what: 'added', after: wordsOf(layer, everything) }, layer.name)
  for (const layer of layers.removed) add({ what: 'removed', before: wordsOf(layer, everything) }, layer.name)
  return [...groups.values()].map(({ group, names }) => ({ ...group, names }))
}

/** One line: how many layers were added, removed and changed. */
export function layerCount({ layers: { added, removed, changed, same } }: ModelDifference): string {
  const parts = [
    ...(changed.length > 0 ? [`${formatPlural(changed.length, 'layer')} changed`] : []),
    ...(added.length > 0 ? [`${added.length} added`] : []),
    ...(removed.length > 0 ? [`${removed.length} removed`] : []),
  ]
  const rest = same > 0 ? [`${same} of the same form`] : []
  return parts.length > 0 ? [...parts, ...rest].join(', ') : `all ${formatPlural(same, 'layer')} of the same form`
}

/** What else differs, a line each: operators, versions, inputs and outputs. */
export function otherChanges({ operators, opset, irVersion, inputs, outputs }: ModelDifference): string[] {
  const ops = Object.entries(operators).map(([op, { before, after }]) => `${op} ${before} → ${after}`)
  return [
    ...(ops.length > 0 ? [`operators: ${ops.join(', ')}`] : []),
    ...(opset ? [`opset: ${opset.before} → ${opset.after}`] : []),
    ...(irVersion ? [`IR version: ${irVersion.before} → ${irVersion.after}`] : []),
    ...(inputs ? [`inputs: ${inputs.before.join(', ')} → ${inputs.after.join(', ')}`] : []),
    ...(outputs ? [`outputs: ${outputs.before.join(', ')} → ${outputs.after.join(', ')}`] : []),
  ]
}

const everything: ReadonlySet<LayerAspect> = new Set(['shape', 'weight', 'grid', 'activations'])

/** What is told of a changed layer: what changed, and what belongs to it. */
function toldOf(aspects: ChangedLayer['aspects']): ReadonlySet<LayerAspect> {
  const has = (...some: LayerAspect[]) => some.some((aspect) => aspects.includes(aspect))
  return new Set<LayerAspect>([
    ...(has('shape') ? (['shape'] as const) : []),
    ...(has('weight', 'grid', 'activations', 'integer') ? (['weight', 'grid', 'activations'] as const) : []),
  ])
}

function wordsOf({ op, shape, weight, activations, integer }: LayerForm, told: ReadonlySet<LayerAspect>): string {
  const stored = /\d+$/.exec(weight.dtype)?.[0]
  const bits = stored === String(weight.bits) ? weight.dtype : `${weight.bits} bits in ${weight.dtype}`
  const grid = weight.grid?.replace('-', ' ')
  return [
    op,
    ...(told.has('shape') ? [shape.join('×')] : []),
    ...(told.has('weight') ? [[`weight ${bits}`, ...(grid === undefined ? [] : [grid])].join(' ')] : []),
    ...(told.has('activations') ? [`reads ${activations}`] : []),
    ...(integer ? ['in integers'] : []),
  ].join(', ')
}
