// A model as it would be written: what runs it, and what it does on samples that calibration did not see.
import type { Watch } from '../../base/index.ts'
import type { LayerSqnr } from '../../calibrate/index.ts'
import { chooseSamples } from '../../data/index.ts'
import type { Comparison } from '../../metrics/index.ts'
import { encodedLength, isExpensive, type Model, writeModel } from '../../onnx/index.ts'
import { type LayerKernel, targetOf } from '../../quantize/index.ts'
import type { QuantizeRecipe } from '../../recipe/index.ts'
import { storeOnce } from '../../rewrite/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { isLarge } from '../growth.ts'
import { readBatches } from '../samples.ts'
import type { CalibrationSamples } from './calibration-samples.ts'
import type { QuantizeHost } from './host.ts'
import { fewSamples, glance, type Measures, measureQuantized, sqnrOfLayers } from './measure.ts'
import { needsSamples, type Produced } from './mode.ts'
import { glanceSize } from './some-samples.ts'
import { kernelsIn } from './target-here.ts'

/** Samples that are scored at most. */
const SCORED = { fast: 0, default: 5000, high: Number.MAX_SAFE_INTEGER }
/** Samples that walk through both models for the per-layer SQNR. */
const WALKED = 8

/** What a check goes by; its notes are added to. */
export interface Checking {
  readonly runtime: Runtime
  readonly recipe: QuantizeRecipe
  readonly original: Model
  readonly samples: CalibrationSamples
  readonly host: QuantizeHost
  readonly notes: string[]
  readonly watch: Watch
}

/** A model as it would be written, and what is known of it. */
export interface Checked {
  readonly made: Produced
  readonly written: Model
  /** The file; of a large model it is never in memory. */
  readonly bytes: Uint8Array | undefined
  readonly sizeBytes: number
  readonly kernels: readonly LayerKernel[] | undefined
  readonly measured: Measured
}

/** Writes a model, into memory unless it is large, looks at its kernels, and measures it. */
export async function checkProduced(checking: Checking, made: Produced): Promise<Checked> {
  const { recipe, host } = checking
  const { settle = async (model: Model) => model } = host
  const written = storedOnce(await settle(made.quantized))
  const bytes = isLarge(written) ? undefined : writeModel(written)
  const kernels = await kernelsIn({ model: written, bytes }, made, targetOf(recipe.target), host)
  const measured = await measure(checking, made, written)
  return { made, written, bytes, sizeBytes: bytes?.byteLength ?? encodedLength(written), kernels, measured }
}

/** The last thing that is done: whoever looks for weights finds them in place until here. */
export function storedOnce(model: Model): Model {
  return storeOnce.apply(model, { shapes: new Map(), statistics: new Map() }).model
}

interface Measured {
  readonly measures?: Measures
  /** Outputs of one sample. */
  readonly glance?: Comparison
  readonly layerSqnr: readonly LayerSqnr[]
  readonly naiveLayerSqnr?: readonly LayerSqnr[]
}

/** Measures on samples that calibration did not see; with `--effort fast` one is looked at, without any samples none. */
async function measure(checking: Checking, made: Produced, written: Model): Promise<Measured> {
  const { runtime, recipe, original, samples, notes, watch } = checking
  const { scoring: choose, metric, clock } = checking.host
  if (recipe.effort === 'fast') return { layerSqnr: [], ...(await glanceAt(checking, made)) }
  if (!needsSamples(recipe) && recipe.val === undefined) {
    notes.push('nothing was measured: give samples with --val to see what the model lost')
    return { layerSqnr: [] }
  }
  const used = needsSamples(recipe) ? samples.indices : []
  const scoring = await choose(used, SCORED[recipe.effort])
  notes.push(scoring.note)
  const options = {
    ...watch,
    notes,
    label: recipe.model,
    shapes: made.shapes,
    metric,
    clock: clock?.runtime,
    simulate: targetOf(recipe.target).runtime === undefined,
  }
  const measures = await measureQuantized(runtime, { float: original, quantized: written }, scoring, options)
  const few = chooseSamples(scoring.indices.length, glanceSize(made.shapes, WALKED)).map(
    (place) => scoring.indices[place] ?? 0,
  )
  const walked = await fewSamples(
    { dataset: scoring.dataset, indices: few },
    { model: original, shapes: made.shapes },
    watch,
  )
  // Values of float16 and float32 are not walked side by side.
  const walks = recipe.mode !== 'float16' && !recipe.float16 && made.quantized !== original
  const pair = { float: made.floatModel, quantized: made.quantized, shapes: made.shapes }
  const layerSqnr = walks ? await sqnrOfLayers(runtime, pair, walked, watch) : []
  // A second walk only shows what plain quantisation did: not worth it where it takes minutes.
  const naive = isExpensive(made.shapes) ? undefined : made.naive
  return {
    measures,
    layerSqnr,
    ...(naive ? { naiveLayerSqnr: await sqnrOfLayers(runtime, naive, walked, watch) } : {}),
  }
}

/** One sample that calibration did not see, or the first where it may see all of them. */
async function glanceAt(
  { runtime, recipe, original, samples: { dataset, indices }, watch }: Checking,
  { quantized, shapes }: Produced,
): Promise<{ readonly glance?: Comparison }> {
  if (!needsSamples(recipe) || recipe.data === 'random') return {}
  const used = new Set(indices)
  const unseen = Array.from({ length: dataset.size }, (_, index) => index).find((index) => !used.has(index))
  const one = { dataset, indices: [unseen ?? 0] }
  for await (const batch of readBatches(one, { model: original, shapes }, watch))
    return { glance: await glance(runtime, original, quantized, batch) }
  return {}
}
