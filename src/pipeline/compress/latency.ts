// Latency budgets: plans under the padded cost, of which the mildest is taken that is really fast enough on this machine.
import { RefusedError } from '../../base/index.ts'
import { type CompressibleLayer, type Factors, type LayerChoice, splitLayer, splitNamed } from '../../compress/index.ts'
import { matrix } from '../../math/index.ts'
import { GraphEditor, type Model } from '../../onnx/index.ts'
import { measureLatency, type Runtime, type Session, type Values } from '../../runtime/index.ts'
import type { EvaluationCache } from '../../search/index.ts'
import type { Plan } from './plan.ts'

/** Padded costs that are timed, as shares of the wanted time. */
const STEPS = [1.1, 1, 0.92, 0.84, 0.76, 0.68, 0.6, 0.5]
/** What is promised must hold in the next measurement too. */
const MARGIN = 0.98

/** A model of the same shapes as a plan's result; its weights mean nothing. */
function skeleton(model: Model, layers: readonly CompressibleLayer[], plan: ReadonlyMap<string, LayerChoice>): Model {
  const editor = new GraphEditor(model)
  for (const layer of layers) {
    const choice = plan.get(layer.name)
    if (!choice) continue
    const { geometry } = layer
    const split = splitNamed(choice.split)
    const { first, second } = split.positions(geometry)
    const width = geometry.inputsPerGroup * first[0] * first[1]
    const factors = (): Factors => ({
      first: filled(choice.rank, width),
      second: filled(geometry.outputsPerGroup * second[0] * second[1], choice.rank),
    })
    const bias = new Float64Array(geometry.groups * geometry.outputsPerGroup)
    splitLayer(editor, layer, split, Array.from({ length: geometry.groups }, factors), bias)
  }
  return editor.finish()
}

function filled(rows: number, columns: number) {
  const a = matrix(rows, columns)
  a.data.fill(0.01)
  return a
}

/**
 * For each wanted share of the original's time the plan of the largest cost whose measured time is below it. All are timed
 * in turn on one sample. The timings are kept in the cache, so that a run that goes on decides as before.
 * @param plansAt plans for padded cost ratios; undefined where one is out of reach
 * @throws RefusedError when no plan is fast enough, naming the fastest
 */
export async function plansForLatency(
  runtime: Runtime,
  model: Model,
  layers: readonly CompressibleLayer[],
  ratios: readonly number[],
  sample: Values,
  plansAt: (ratios: readonly number[]) => readonly (Plan | undefined)[],
  cache: EvaluationCache,
  key: string,
): Promise<Plan[]> {
  const results: Plan[] = []
  for (const ratio of ratios) {
    const costs = STEPS.map((step) => Math.min(1, step * ratio))
    const plans = plansAt(costs).filter((plan) => plan !== undefined)
    const times = await timesOf(runtime, model, layers, plans, sample, cache, `${key}|latency|${ratio}`)
    const found = plans.find((_, index) => (times[index] ?? 1) <= MARGIN * ratio)
    if (!found)
      throw new RefusedError(
        `${ratio} of the latency cannot be reached on this machine: the fastest of ${plans.length} plans takes ${Math.min(1, ...times).toFixed(2)} of the original's time; relax the target`,
      )
    results.push(found)
  }
  return results
}

async function timesOf(
  runtime: Runtime,
  model: Model,
  layers: readonly CompressibleLayer[],
  plans: readonly Plan[],
  sample: Values,
  cache: EvaluationCache,
  key: string,
): Promise<readonly number[]> {
  const known = cache.get(key)
  if (Array.isArray(known) && known.length === plans.length) return known as number[]
  const sessions: Session[] = []
  try {
    for (const candidate of [model, ...plans.map((plan) => skeleton(model, layers, plan.choices))])
      sessions.push(await runtime.open(candidate, { label: 'a timed model' }))
    const [whole, ...rest] = await measureLatency(runtime, sessions, sample, { warmups: 5, rounds: 80, limitMs: 6000 })
    // The lower quartile: what else the machine does only ever adds time.
    const times = rest.map((latency) => latency.lowMs / (whole?.lowMs ?? 1))
    cache.put(key, times)
    return times
  } finally {
    for (const session of sessions) await session.close()
  }
}
