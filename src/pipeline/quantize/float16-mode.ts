// float16: every node that the runtime has in float16 and whose values float16 holds; alone, or behind weights in few bits.
import { InputError, RuntimeFailure, report, UnsupportedError } from '../../base/index.ts'
import { calibrate } from '../../calibrate/index.ts'
import { constantsOf, type Model, type Node, nodeName } from '../../onnx/index.ts'
import {
  chooseHalf,
  type HalfChoice,
  halfProbe,
  maskedValues,
  type Reach,
  selector,
  toHalf,
} from '../../quantize/index.ts'
import { storeHalf, storeOnce } from '../../rewrite/index.ts'
import { declareTypes, typesOf, withSession } from '../../runtime/index.ts'
import { Judge } from './judge.ts'
import { type ModeJob, needsSamples, type Produced } from './mode.ts'
import { Rows } from './rows.ts'
import { sharedOr } from './shared-work.ts'

/** Nodes that one note names. */
const NAMED = 5

/** Computes a float model in float16, or stores its weights in a type of half the size. */
export async function quantizeFloat16(job: ModeJob): Promise<Produced> {
  const { runtime, recipe, model, shapes, material, notes, watch } = job
  const unchanged = { plan: undefined, floatModel: model, shapes, float: [], rewrites: [] }
  const { weightStorage } = recipe
  if (weightStorage === 'float16' || weightStorage === 'bfloat16') {
    notes.push(
      `weights are stored in ${weightStorage} behind Cast, which ONNX Runtime computes once when it loads the file; everything computes in float32`,
    )
    const once = storeOnce.apply(model, { shapes: new Map(), statistics: new Map() }).model
    return { ...unchanged, quantized: storeHalf(once, weightStorage) }
  }
  const { float, ...made } = await inHalf(job, model)
  const { quantized } = made
  if (!needsSamples(recipe) || recipe.effort === 'fast') return { ...unchanged, ...made, float }
  const judge = await Judge.of(runtime, model, await material.samples.split())
  const rows = new Rows()
  rows.start()
  rows.add('float16', true, await judge.score(quantized, watch), `${judge.samples} held-back samples`)
  return { ...unchanged, ...made, float, ladder: rows.all }
}

/**
 * A model, which may have weights in few bits already, in float16 where that is possible; what stays float32 is told in the notes.
 * @throws UnsupportedError when ONNX Runtime does not load the result
 */
export async function inHalf(job: ModeJob, given: Model): Promise<Pick<Produced, 'quantized' | 'asWritten' | 'float'>> {
  const { runtime, recipe, shapes, notes } = job
  const model = await declareTypes(runtime, given)
  const types = typesOf(model)
  const choice = await chooseHalf(model, {
    types,
    shapes,
    reaches: needsSamples(recipe)
      ? await sharedOr(job.material.shared, 'reaches', recipe, () => reachesOf(job))
      : new Map(),
    takes: halfProbe(runtime, model, types, constantsOf(model.graph)),
    excluded: excludedIn(job),
  })
  const written = toHalf(model, choice, types, 'float32')
  try {
    await withSession(runtime, written.model, { label: 'the float16 model' }, async () => {})
  } catch (error) {
    if (!(error instanceof UnsupportedError || error instanceof RuntimeFailure)) throw error
    throw new UnsupportedError(
      `ONNX Runtime does not load ${recipe.model} in float16 (${error.message}); keep the node float32 with --exclude, or store weights alone in float16 with --weight-storage float16`,
    )
  }
  const outer = recipe.ioType === 'float16' ? toHalf(model, choice, types, 'float16') : undefined
  notes.push(...notesOf(choice, outer ?? written, recipe.ioType))
  return {
    quantized: written.model,
    ...(outer ? { asWritten: outer.model } : {}),
    float: choice.float.map(({ name, reason }) => ({ name, reason })),
  }
}

/** How far every float value reaches on all samples. */
async function reachesOf({ runtime, model, shapes, material, watch }: ModeJob): Promise<ReadonlyMap<string, Reach>> {
  const { samples } = material
  const total = samples.indices.length
  const types = typesOf(model)
  const constants = constantsOf(model.graph)
  const masks = maskedValues(model.graph, types, constants)
  const made = [...model.graph.inputs.map(({ name }) => name), ...model.graph.nodes.flatMap(({ outputs }) => outputs)]
  const watched = made.filter((value) => types.get(value) === 'float32' && shapes.has(value) && !constants(value))
  const look = async (values: readonly string[]) => {
    const requests = values.map((value) => ({ value }))
    const seen = await calibrate(runtime, model, samples.all(), { requests, shapes, total, ...watch })
    // A past that was always empty reaches nowhere.
    return new Map([...seen].filter(([, { count }]) => count > 0))
  }
  report(watch, { step: 'calibrate', done: 0, total })
  try {
    return await look(watched)
  } catch (error) {
    // A mask may be −∞; any other infinity is told.
    if (!(error instanceof InputError)) throw error
    return look(watched.filter((value) => !masks(value)))
  }
}

/** Nodes that the recipe leaves out, by name: the nodes of a model with weights in few bits are others. */
function excludedIn({ model, options: { exclude, only } }: ModeJob): (node: Node) => boolean {
  const { nodes } = model.graph
  const out = selector(exclude, nodes, '--exclude')
  const inside = selector(only, nodes, '--only')
  const names = new Set(nodes.filter((node) => out(node) || (only.length > 0 && !inside(node))).map(nodeName))
  return (node) => names.has(nodeName(node))
}

function notesOf({ half, float }: HalfChoice, { casts, vanished }: ReturnType<typeof toHalf>, io: string): string[] {
  const forced = float.filter((each) => each.forced)
  const notes = [
    `${half.size} of ${half.size + float.length} float nodes compute in float16, with ${casts} Casts; inputs and outputs are ${io}. On a CPU ONNX Runtime computes float16 in float32: the file is half the size, and not faster there`,
    ...forced.slice(0, NAMED).map(({ name, op, reason }) => `${name} (${op}) stays float32: ${reason}`),
  ]
  if (forced.length > NAMED)
    notes.push(`${forced.length - NAMED} more nodes stay float32; --json lists them under float32`)
  if (vanished > 0)
    notes.push(`${vanished} numbers of the weights are so small that they are 0 in float16, each beside larger ones`)
  return notes
}
