// variants: each graph of a model in the forms that transformers.js loads. Read and run the float model once; quantise for each form; open
// what was written in every runtime, compare it with the float model; keep what passes.
import { join } from 'node:path'
import { RefusedError, RuntimeFailure, UnsupportedError, type Watch } from '../base/index.ts'
import type { VariantsRecipe } from '../recipe/index.ts'
import { openWebProcess } from '../runtime/index.node.ts'
import type { Runtime } from '../runtime/index.ts'
import { checkOutput } from './output.node.ts'
import { quantizeRecipeOf, variantFile } from './variants/dtypes.ts'
import { copyCompanions, type HubFolder, openHubFolder } from './variants/hub-folder.node.ts'
import type { GraphFile, Job } from './variants/job.ts'
import { type PreparedGraph, prepareGraph } from './variants/prepare-graph.node.ts'
import type { FloatGraph, Variant, VariantsRun } from './variants/run.ts'
import { withStaging } from './variants/staging.node.ts'
import { writeVariant } from './variants/write-variant.node.ts'

/** What became of one graph. */
interface GraphRun {
  readonly variants: readonly Variant[]
  readonly float?: FloatGraph
}

/**
 * Writes the forms of a model that a recipe names, and tells of each what it is worth. A file that does not load, or loses too much, is
 * not written; nothing is when the command fails.
 * @throws InputError, UsageError, CancelledError
 * @example
 * ```ts
 * const recipe = parseRecipe('variants', { model: 'all-MiniLM-L6-v2', dtypes: ['q8', 'q4'], data: 'sentences.txt' })
 * const { variants } = await writeVariants(runtime, recipe)
 * console.log(variants.map(({ file, sqnrDb, loads }) => [file, sqnrDb, loads]))
 * ```
 */
export async function writeVariants(runtime: Runtime, recipe: VariantsRecipe, watch: Watch = {}): Promise<VariantsRun> {
  const hub = await openHubFolder(recipe.model)
  const folder = recipe.output === undefined ? hub.onnx : join(recipe.output, 'onnx')
  const notes: string[] = []
  const web = openWebProcess()
  if (!web) notes.push('onnxruntime-web is not installed: whether the files load in a browser was not tried')
  const runtimes: Job['runtimes'] = web ? [runtime, web] : [runtime]
  try {
    const graphs = await withStaging(folder, async (staging) => {
      checkFiles(hub, folder, recipe)
      const { graphs: all, root } = hub
      const job = { recipe, runtimes, staging, folder, graphs: all, root, alone: all.length === 1, notes, watch }
      const runs: GraphRun[] = []
      for (const graph of hub.graphs) runs.push(await variantsOf(job, graph))
      return runs
    })
    const variants = graphs.flatMap((each) => each.variants)
    if (recipe.output !== undefined && variants.some(({ written }) => written))
      await copyCompanions(hub.root, recipe.output)
    const float = graphs.flatMap((each) => each.float ?? [])
    for (const each of runtimes) notes.push(...each.notes.splice(0))
    return { variants, float, runtimes: runtimes.map(({ name }) => name), notes: [...new Set(notes)] }
  } finally {
    await web?.close()
  }
}

/** @throws UsageError when a file would be written over a float model, or could not be written */
function checkFiles({ graphs }: HubFolder, folder: string, { dtypes }: VariantsRecipe): void {
  const files = graphs.map(({ file }) => file)
  for (const { name } of graphs) for (const dtype of dtypes) checkOutput(join(folder, variantFile(name, dtype)), files)
}

/** All forms of one graph; what cannot be made says why. */
async function variantsOf(job: Job, graph: GraphFile): Promise<GraphRun> {
  const { dtypes } = job.recipe
  let prepared: PreparedGraph
  try {
    prepared = await prepareGraph(job, graph)
  } catch (error) {
    return { variants: dtypes.map((dtype) => unmade(job, graph, dtype, error)) }
  }
  const floatMs: Record<string, number> = {}
  const variants: Variant[] = []
  const recipes = dtypes.map((dtype) => quantizeRecipeOf(job.recipe, graph.file, prepared.data, dtype))
  for (const [index, dtype] of dtypes.entries()) {
    const watch = labelled(job.watch, job.alone ? dtype : variantFile(graph.name, dtype))
    try {
      const { variant, beside } = await writeVariant({ ...job, watch }, prepared, dtype)
      Object.assign(floatMs, beside)
      variants.push(variant)
    } catch (error) {
      variants.push(unmade(job, graph, dtype, error))
    }
    prepared.shared.keepFor(recipes.slice(index + 1))
  }
  const { name, file, sizeBytes } = prepared
  return { variants, float: { graph: name, file, sizeBytes, latencyMs: floatMs } }
}

/** A form that could not be made. @throws what ends the command: wrong input, and Ctrl-C */
function unmade({ folder }: Job, { name }: GraphFile, dtype: Variant['dtype'], error: unknown): Variant {
  const tells = error instanceof UnsupportedError || error instanceof RuntimeFailure || error instanceof RefusedError
  if (!tells) throw error
  const file = join(folder, variantFile(name, dtype))
  return { dtype, graph: name, file, written: false, reason: error.message, latencyMs: {}, loads: {} }
}

/** Steps are told with the form that they are of. */
function labelled({ progress, signal }: Watch, label: string): Watch {
  return { signal, progress: progress && ((event) => progress({ ...event, step: `${label} ${event.step}` })) }
}
