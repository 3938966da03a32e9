// A plan made into the model that is written, once for each plan; one of an earlier, killed run is taken from what it left.
import type { FittedLayer } from '../../compress/index.ts'
import { type Model, readModel, writeModel } from '../../onnx/index.ts'
import { PREPROCESS_KEY } from '../samples.ts'
import type { Built, Method } from './method.ts'
import { changesNothing, type Plan, planName } from './plan.ts'
import type { Problem } from './problem.ts'

/** A compressed model in memory, and as it is written. */
export interface Compressed extends Built {
  readonly bytes: Uint8Array
}

/** Makes plans into models, each by its method, and the same plan only once. */
export function builderOf(problem: Problem, methods: readonly Method[]): (plan: Plan) => Promise<Compressed> {
  const made = new WeakMap<Plan, Promise<Compressed>>()
  return (plan) => {
    const known = made.get(plan) ?? rememberedOr(problem, plan, () => build(problem, methods, plan))
    made.set(plan, known)
    return known
  }
}

async function rememberedOr(problem: Problem, plan: Plan, make: () => Promise<Compressed>): Promise<Compressed> {
  const { key, plain, seed, cache, host } = problem
  const name = [key, 'point', plain, seed, planName(plan)].join('|')
  const known = await cache.get(name)
  const bytes = Array.isArray(known) ? await host.memory?.readModel(name) : undefined
  if (bytes) return { bytes, model: readModel(bytes), layers: known as FittedLayer[] }
  const made = await make()
  if (host.memory) {
    await host.memory.keepModel(name, made.bytes)
    await cache.put(name, made.layers)
  }
  return made
}

async function build(problem: Problem, methods: readonly Method[], plan: Plan): Promise<Compressed> {
  const { form, preprocess } = problem
  const { model, layers } = changesNothing(plan)
    ? unchanged(problem)
    : await methodOf(methods, plan).build(problem, plan)
  if (preprocess) model.metadata.set(PREPROCESS_KEY, preprocess)
  return { model, layers, bytes: writeModel(form.stored(model)) }
}

function methodOf(methods: readonly Method[], { method }: Plan): Method {
  const found = methods.find(({ name }) => name === method)
  if (!found) throw new Error(`a plan of the method "${method}" was made by none of ${methods.map(({ name }) => name)}`)
  return found
}

function unchanged({ model, layers }: Problem): { model: Model; layers: FittedLayer[] } {
  return { model, layers: layers.map(({ name }) => ({ name, error: 0 })) }
}
