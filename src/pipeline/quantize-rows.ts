// The layers and activations of a finished quantisation as rows of its report.
import { type Layer, layersOf, macsOf, nodeName } from '../onnx/index.ts'
import type { LayerKernel } from '../quantize/index.ts'
import { type ActivationRow, type LayerRow, spreadOf } from '../report/index.ts'
import { channelRows } from './channel-rows.ts'
import { bytesLeftOnDisk } from './inspect.ts'
import type { QuantizeOutcome } from './quantize/run.ts'

/** One row a layer of the float model, weighted ones alone. */
export function layerRows(run: QuantizeOutcome): LayerRow[] {
  const kernels = new Map(run.kernels?.map((kernel) => [kernel.name, kernel]))
  const sqnr = new Map(run.layerSqnr.map((layer) => [layer.name, layer.sqnrDb]))
  const naive = new Map(run.naiveLayerSqnr?.map((layer) => [layer.name, layer.sqnrDb]))
  const originals = new Map(run.originalFolded ? layersOf(run.originalFolded).map((layer) => [layer.name, layer]) : [])
  const reasons = new Map(run.float.map(({ name, reason }) => [name, reason]))
  const layers = layersOf(run.floatModel)
  const onDisk = bytesLeftOnDisk(layers) > 0
  return layers.map((layer): LayerRow => {
    const kernel = kernels.get(layer.name)
    const macs = macsOf(layer, run.shapes)
    const naiveDb = naive.get(nodeName(layer.node))
    const shift = run.meanShift?.get(layer.name)
    const weight = run.plan?.weights.get(layer.name) ?? run.plan?.stored.get(layer.name)
    const grid = run.plan?.activations.get(layer.node.outputs[0] ?? '')
    const db = sqnr.get(nodeName(layer.node))
    const reason = whyFloat(kernel, reasons.get(layer.name))
    return {
      name: layer.name,
      op: layer.node.opType,
      ...placeOf(run, layer.name),
      parameters: layer.weight.size + (layer.bias?.size ?? 0),
      ...(macs === undefined ? {} : { macs }),
      ...(kernel ? { integer: kernel.integer, kernel: kernel.kernel } : {}),
      ...(reason ? { reason } : {}),
      ...(db === undefined ? {} : { sqnrDb: db }),
      ...(weight
        ? {
            weightGrid: `${weight.dtype}, ${weight.scale.length === 1 ? 'one scale' : `${weight.scale.length} scales`}`,
          }
        : {}),
      ...(grid
        ? {
            outputGrid: `${grid.params.dtype} [${grid.low.toPrecision(4)}, ${grid.high.toPrecision(4)}]`.replaceAll(
              '-',
              '−',
            ),
          }
        : {}),
      ...(naiveDb === undefined ? {} : { naiveSqnrDb: naiveDb }),
      ...(onDisk && layer.weight.stored ? {} : channelFields(layer, originals.get(layer.name))),
      ...(shift ? { meanShift: shift } : {}),
    }
  })
}

/** What goes apart of a layer stands where the layer does. */
function placeOf({ places }: QuantizeOutcome, name: string): Pick<LayerRow, 'part' | 'block'> {
  return places?.get(name) ?? places?.get(name.replace(/\/apart$/, '')) ?? {}
}

function whyFloat(kernel: LayerKernel | undefined, reason: string | undefined): string | undefined {
  if (kernel?.requantized) return 'ONNX Runtime quantises it itself, with one scale for all channels'
  if (kernel?.integer) return undefined
  return kernel?.trap ?? reason ?? (kernel ? `ONNX Runtime runs it as ${kernel.kernel}` : undefined)
}

/** The channels of a layer; before and after when equalisation changed its weight. */
function channelFields(layer: Layer, original: Layer | undefined): Partial<LayerRow> {
  const now = channelRows(layer)
  if (now === undefined) return {}
  const rangeSpread = spreadOf(now.ranges)
  const before = original === undefined || sameWeight(original, layer) ? undefined : channelRows(original)
  if (before === undefined) return { rangeSpread, ...now }
  return { rangeSpread, ...before, channelsAfter: now.channels, rangesAfter: now.ranges }
}

function sameWeight({ weight: a }: Layer, { weight: b }: Layer): boolean {
  if (a === b) return true
  const [left, right] = [a.floats(), b.floats()]
  return left.length === right.length && left.every((value, index) => value === right[index])
}

/** One row a grid of an activation. */
export function activationRows(run: QuantizeOutcome): ActivationRow[] {
  return [...(run.plan?.activations ?? [])].map(
    ([tensor, grid]): ActivationRow => ({
      tensor,
      dtype: grid.params.dtype,
      scale: grid.params.scale[0] ?? 1,
      zeroPoint: grid.params.zeroPoint[0] ?? 0,
      low: grid.low,
      high: grid.high,
      ...(grid.observed ? { observedLow: grid.observed.min, observedHigh: grid.observed.max } : {}),
      reason: run.plan?.placement.tensors.get(tensor)?.integerProducer
        ? 'between integer operators'
        : 'enters an integer operator',
      method: grid.method,
    }),
  )
}
