// One form of one graph: quantised, written where files wait, opened in every runtime, judged.
import { readFile, rm, stat } from 'node:fs/promises'
import { freemem } from 'node:os'
import { join } from 'node:path'
import { report, throwIfCancelled } from '../../base/index.ts'
import { writeModelFile } from '../../onnx/index.node.ts'
import type { Model } from '../../onnx/index.ts'
import type { VariantDtype } from '../../recipe/index.ts'
import { storeOnce } from '../../rewrite/index.ts'
import { withSpillFolder } from '../../runtime/index.node.ts'
import { needsSamples } from '../quantize/mode.ts'
import { produceQuantized } from '../quantize/produce.ts'
import { inputBounds } from '../samples.node.ts'
import { mainSqnr } from '../verdict.ts'
import { checkVariant } from './check-variant.ts'
import { quantizeRecipeOf, runtimeOf, variantFile } from './dtypes.ts'
import type { Job } from './job.ts'
import { mergedOf, producedMerged } from './merged-variant.ts'
import type { PreparedGraph } from './prepare-graph.node.ts'
import { whyNotWritten } from './refusal.ts'
import type { Variant } from './run.ts'

interface WrittenVariant {
  readonly variant: Variant
  /** Runtime → median of the float model, timed beside it. */
  readonly beside: Readonly<Record<string, number>>
}

/** @throws UnsupportedError, RuntimeFailure, RefusedError when it cannot be made, and whatever ends the command */
export async function writeVariant(job: Job, graph: PreparedGraph, dtype: VariantDtype): Promise<WrittenVariant> {
  const { recipe, runtimes, staging, folder, watch } = job
  const file = variantFile(graph.name, dtype)
  const path = join(staging, file)
  const { model, float32 } = await quantized(job, graph, dtype)
  throwIfCancelled(watch.signal)
  report(watch, { step: 'write', done: 0, total: 1, message: file })
  const written = graph.asGiven(model)
  const sizeBytes = await writeModelFile(written, path, { dataPath: `${path}_data` })
  report(watch, { step: 'check', done: 0, total: 1, message: file })
  // As it lies on disk, unless its weights lie in a second file, or its inputs have a type that no runtime takes.
  const opened = written === model && (await stat(path)).size === sizeBytes ? await readFile(path) : model
  const {
    comparison,
    floatMs: beside,
    ...checked
  } = await checkVariant(
    runtimes,
    { file: opened, label: file, float: graph.original, madeFor: runtimeOf(dtype) },
    graph.reference,
    watch,
  )
  const reason = whyNotWritten(
    { sizeBytes, floatBytes: graph.sizeBytes, loads: checked.loads, comparison },
    recipe.minSqnr,
  )
  if (reason !== undefined) for (const each of [path, `${path}_data`]) await rm(each, { force: true })
  const sqnrDb = mainSqnr(comparison)
  const variant = {
    ...{ dtype, graph: graph.name, file: join(folder, file), sizeBytes, written: reason === undefined },
    ...(reason === undefined ? {} : { reason }),
    ...(sqnrDb === undefined ? {} : { sqnrDb }),
    ...(comparison?.agreement === undefined ? {} : { agreement: comparison.agreement }),
    ...(comparison?.similarity ? { cosine: comparison.similarity.pooled.value } : {}),
    ...checked,
    ...(float32.length > 0 ? { float32 } : {}),
  }
  return { variant, beside }
}

/** A model in one form, every tensor stored once. */
interface Quantized {
  readonly model: Model
  /** In float16: nodes that stay float32, and why. */
  readonly float32: NonNullable<Variant['float32']>
}

/** Makes one form of a graph. */
async function quantized(
  { recipe, runtimes, notes, watch }: Job,
  graph: PreparedGraph,
  dtype: VariantDtype,
): Promise<Quantized> {
  const { original, data, file, shares, shared } = graph
  const own = quantizeRecipeOf(recipe, file, data, dtype)
  const inputs = needsSamples(own) ? new Map() : await inputBounds(own, original)
  const material = {
    original,
    samples: shares.fit(own),
    inputs,
    shared,
    withSpill: withSpillFolder,
    freeMemory: freemem,
  }
  const told: string[] = []
  const tell = (more: readonly string[]) =>
    notes.push(...[...more, ...new Set(told)].map((note) => `${variantFile(graph.name, dtype)}: ${note}`))
  const { dataset, indices } = material.samples
  // Of random samples nothing is fitted to, all show shapes.
  const through = needsSamples(own) ? indices : Array.from({ length: dataset.size }, (_, index) => index)
  const merged = await mergedOf(original, dataset, through)
  const both =
    merged &&
    (await producedMerged(original, merged, own, (recipe, part) =>
      produceQuantized(runtimes[0], recipe, { ...material, ...part, shared: undefined }, { ...watch, notes: told }),
    ))
  if (both) {
    tell(['its two branches are quantised alike, by rules that look at weights alone: what both read is stored once'])
    return { model: both.model, float32: own.mode === 'float16' || own.float16 ? both.float : [] }
  }
  const made = await produceQuantized(runtimes[0], own, material, { ...watch, notes: told })
  tell([])
  const { model } = storeOnce.apply(made.quantized, { shapes: new Map(), statistics: new Map() })
  return { model, float32: own.mode === 'float16' || own.float16 ? made.float : [] }
}
