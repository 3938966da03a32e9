// A deep comparison of files: samples, repair, proof.
import { createHash } from 'node:crypto'
import { UsageError, type Watch } from '../../base/index.ts'
import { chooseSamples, feedsOf } from '../../data/index.ts'
import { readModelFile, writeModelFile } from '../../onnx/index.node.ts'
import { differenceOf, type Model } from '../../onnx/index.ts'
import { withFloatBlocks, withUnsignedWeights } from '../../quantize/index.ts'
import type { CompareRecipe } from '../../recipe/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import { type CompareFilesOptions, compareFiles } from '../compare.node.ts'
import type { CompareRun } from '../compare-run.ts'
import { checkOutput } from '../output.node.ts'
import { openSamples } from '../samples.node.ts'
import { workingForm } from '../working-form.ts'
import { compareDeep } from './deep.node.ts'
import { proofBeside, writeProof } from './proof.node.ts'
import { type DeepRun, differing, saturatesBadly } from './run.ts'

/** Samples that go through layer by layer. */
const SAMPLES = 4

/** Result of `compare`, with what `--deep` adds. */
export interface DeepCompareRun extends CompareRun {
  readonly deep?: DeepRun
  /** The proof that was written. */
  readonly proof?: string
}

/** `compare`: any two models with the same inputs and outputs; the second one in depth, where that is asked for. */
export async function compareInDepth(
  runtime: Runtime,
  recipe: CompareRecipe,
  options: CompareFilesOptions = {},
): Promise<DeepCompareRun> {
  const { deep, repair, proof, other } = recipe
  if (!deep && (repair !== undefined || proof)) throw new UsageError(`${proof ? '--proof' : '--repair'} needs --deep`)
  if (repair !== undefined) checkOutput(repair, [recipe.model, other], '--repair')
  const run = await compareFiles(runtime, recipe, options)
  if (!deep) return run
  const { model, samples } = await deepSamples(recipe, options)
  const found = await compareDeep(runtime, model.working, samples, { watch: options, label: other })
  const paths = repair === undefined ? undefined : { file: other, output: repair }
  const repaired = paths && (await repairFile(runtime, paths, { found, samples }, options))
  const result = { ...found, ...(repaired ? { repaired } : {}) }
  const notes = [...run.notes, ...(repair !== undefined && !repaired ? ['there was nothing to repair'] : [])]
  if (!proof) return { ...run, notes, deep: result }
  const path = proofBeside(other)
  await writeProof(path, recipe, { ...run, deep: found }, { runtime, samplesHash: feedsHash(samples) })
  return { ...run, notes, deep: result, proof: path }
}

/** The second model, and the inputs that it is given in depth. */
export async function deepSamples(
  recipe: CompareRecipe,
  watch: Watch,
): Promise<{
  readonly model: { readonly given: Model; readonly working: Model }
  readonly samples: readonly Values[]
}> {
  const given = await readModelFile(recipe.other)
  const working = workingForm(given, 'inference').model
  const dataset = await openSamples(recipe, working, recipe.data, watch)
  const count = Math.min(SAMPLES, recipe.samples ?? SAMPLES, dataset.size)
  const samples: Values[] = []
  for (const index of chooseSamples(dataset.size, count)) samples.push(await feedsOf(dataset, index, watch.signal))
  return { model: { given, working }, samples }
}

/** SHA-256 of what the model was fed. */
export function feedsHash(samples: readonly Values[]): string {
  const hash = createHash('sha256')
  for (const inputs of samples)
    for (const [name, { dtype, dims, data }] of Object.entries(inputs)) {
      hash.update(`${name} ${dtype} ${dims.join()}`)
      if (ArrayBuffer.isView(data)) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
  return hash.digest('hex')
}

/** Writes the file with weights that no kernel saturates on, and products that round nothing; undefined where there is nothing to do. */
async function repairFile(
  runtime: Runtime,
  { file, output }: { readonly file: string; readonly output: string },
  { found, samples }: { readonly found: DeepRun; readonly samples: readonly Values[] },
  watch: Watch,
): Promise<DeepRun['repaired']> {
  const saturating = found.layers.filter(saturatesBadly)
  // What ONNX Runtime itself makes of blocks behind DequantizeLinear no attribute tells.
  const rounding = found.layers.filter(({ cause, op }) => cause === 'rounded-input' && op === 'MatMulNBits')
  if (saturating.length + rounding.length === 0) return undefined
  const given = await readModelFile(file)
  const unsigned = withUnsignedWeights(given, new Set(saturating.flatMap(({ nodes }) => nodes)))
  const repaired = rounding.length > 0 ? withFloatBlocks(unsigned) : unsigned
  const { changed } = differenceOf(given, repaired).layers
  const layers = [...changed.map(({ before }) => before.name), ...rounding.flatMap(({ nodes }) => nodes)]
  if (layers.length === 0) return undefined
  await writeModelFile(repaired, output)
  const again = await compareDeep(runtime, workingForm(repaired, 'inference').model, samples, { watch, label: output })
  return { output, layers, still: differing(again).map(({ name }) => name) }
}
