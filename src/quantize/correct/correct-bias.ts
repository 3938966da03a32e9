// Empirical bias correction of one layer, on its way through the walk: the quantised output gets the float output's mean.

import { roundToEven } from '../../math/index.ts'
import { type Model, Tensor, withTensors } from '../../onnx/index.ts'
import { type ChannelPlace, type MeanShift, meanShift, shiftInPlace, shiftRatio, squaredError } from './mean-shift.ts'
import { readingOn } from './reading.ts'
import type { LayerSlots } from './slots.ts'
import type { VisitedLayer } from './visit-layers.ts'

/** What became of one layer's bias. */
export interface BiasCorrection {
  /** Share of the output that was a shift of the mean, and what is left of it. */
  readonly before: number
  readonly after: number
  /** Why it was left as it was. */
  readonly left?: string
}

/** A correction this many times the bias is a sign that something else is wrong. */
const LARGEST = 1000
/** A mean that moves less than this for a shift of one is not what the shift is for. */
const LEAST_SLOPE = 0.1

/**
 * Corrects the bias at a stop (arXiv 1906.04721, section 4.2; algorithms: sequential, all earlier layers corrected). Channels
 * whose shift is less than twice its standard error are left, and so is a layer that does not gain on the samples that
 * did not take part (`validation`).
 * With `reading` the mean of what the layer's readers make of its output is corrected. Behind a Relu or HardSwish it is what
 * goes on: in front of it most of a mean may lie where nothing is heard, and taking that out shifts what is.
 */
export async function correctBiasAt(
  { view, slots, reading }: Pick<VisitedLayer, 'view' | 'slots' | 'reading'>,
  place: ChannelPlace,
  validation: (batch: number) => boolean,
): Promise<BiasCorrection | undefined> {
  const [float, changed] = [await view.float(view.value), await view.changed(slots.output)]
  const part = <T>(list: readonly T[], which: boolean) => list.filter((_, batch) => validation(batch) === which)
  const heard = reading && readingOn(reading, [...float, ...changed])
  const [fitFloat, fitChanged] = [part(float, false), part(changed, false)]
  const seen = meanShift(fitFloat, fitChanged, place, heard)
  if (!seen) return undefined
  const before = shiftRatio(seen)
  const left = (why: string): BiasCorrection => ({ before, after: before, left: why })
  const bias = biasOf(view.model, slots)
  if (!bias) return left('it has no bias')
  const wanted = shiftOf(seen)
  const mean = bias.values.reduce((a, b) => a + Math.abs(b), 0) / Math.max(1, bias.values.length)
  if (mean > 0 && wanted.some((x, c) => Math.abs(x) > LARGEST * Math.max(mean, Math.abs(bias.values[c]!))))
    return left('the correction would be a thousand times the bias')
  const [a, b] = [part(float, true), part(changed, true)]
  const errorOf = (shift: Float64Array) => squaredError(a, b, place, { shift, heard })
  let { tensor, applied } = bias.shifted(wanted)
  let error = errorOf(applied)
  const plain = heard && a.length > 0 ? meanShift(fitFloat, fitChanged, place) : undefined
  if (plain) {
    // Where few values are heard, the mean of all is the better guide now and then: samples that took no part decide.
    const other = bias.shifted(shiftOf(plain))
    const otherError = errorOf(other.applied)
    if (otherError < error) {
      error = otherError
      ;({ tensor, applied } = other)
    }
  }
  if (a.length > 0 && !(error < errorOf(new Float64Array(applied.length))))
    return left('it gains nothing on other samples')
  view.change(withTensors(view.model, new Map([[bias.name, tensor]])))
  // The values are this walk's own, and nobody else has seen them yet.
  for (const value of changed) shiftInPlace(value, applied, place)
  view.replace(slots.output, changed)
  return { before, after: shiftRatio({ ...seen, error: seen.error.map((e, c) => e + applied[c]! * seen.slope[c]!) }) }
}

/** What takes the error of the mean away, channel by channel, where it is more than chance. */
const shiftOf = ({ error, standardError, slope, samples }: MeanShift): Float64Array =>
  error.map((e, c) =>
    slope[c]! > LEAST_SLOPE && (Math.abs(e) > 2 * standardError[c]! || samples < 4) ? -e / slope[c]! : 0,
  )

interface Bias {
  readonly name: string
  /** In the unit of the output. */
  readonly values: Float64Array
  /** The constant with a shift added, on its grid, and the shift that was really added. */
  readonly shifted: (shift: Float64Array) => { tensor: Tensor; applied: Float64Array }
}

function biasOf(model: Model, { bias }: LayerSlots): Bias | undefined {
  if (!bias) return undefined
  const constants = model.graph.initializers
  if ('float' in bias) {
    const tensor = constants.get(bias.float)
    if (!tensor) return undefined
    const values = Float64Array.from(tensor.floats())
    return {
      name: bias.float,
      values,
      shifted: (shift) => ({
        tensor: Tensor.from(
          'float32',
          tensor.shape,
          Float32Array.from(values, (x, c) => x + shift[c]!),
        ),
        applied: shift,
      }),
    }
  }
  const [codes, scales] = [constants.get(bias.codes), constants.get(bias.scale)]
  if (!codes || !scales) return undefined
  const scale = scales.floats()
  const scaleOf = (c: number) => scale[scale.length === 1 ? 0 : c]!
  const old = codes.numbers()
  return {
    name: bias.codes,
    values: Float64Array.from(old, (code, c) => code * scaleOf(c)),
    shifted: (shift) => {
      const next = Int32Array.from(old, (code, c) => clampCode(code + roundToEven(shift[c]! / scaleOf(c))))
      return {
        tensor: Tensor.from('int32', codes.shape, next),
        applied: Float64Array.from(next, (code, c) => (code - old[c]!) * scaleOf(c)),
      }
    },
  }
}

function clampCode(code: number): number {
  return Math.min(Math.max(code, -(2 ** 31) + 1), 2 ** 31 - 1)
}
