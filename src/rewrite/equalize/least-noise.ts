// The search for the factors with least noise: one after the other what depends on nothing in common.
import { portable, report, throwIfCancelled, type Watch } from '../../base/index.ts'
import { minimizeInBox, type Objective } from '../../math/index.ts'
import { UnionFind } from '../../onnx/index.ts'
import { type NoiseLayer, type NoiseTensor, noiseObjective } from './noise-model.ts'
import type { Variables } from './variables.ts'

/** ln J that ten iterations must gain together: 0.004 dB. More is beyond what the model can tell. */
const LEAST_GAIN = 1e-3
const ITERATIONS = 200

/** Layers and tensors that share free numbers, and these numbers. */
interface Part {
  readonly layers: NoiseLayer[]
  readonly tensors: NoiseTensor[]
  readonly numbers: number[]
}

/** Modelled noise, and where it is least. */
export interface LeastNoise {
  /** The free numbers. */
  readonly at: Float64Array
  /** Noise there, as a share of what it is at the start. */
  readonly share: number
}

/** The free numbers at which all layers and tensors together bring least noise. */
export async function leastNoise(
  layers: readonly NoiseLayer[],
  tensors: readonly NoiseTensor[],
  variables: Variables,
  watch: Watch,
): Promise<LeastNoise> {
  const whole = variables.wrap(noiseObjective(layers, tensors, variables.denseCount))
  const logOf = (numbers: Float64Array) => whole(numbers, new Float64Array(variables.count))
  const parts = independentParts(layers, tensors, variables)
  let at = variables.start
  let total = portable.exp(logOf(at))
  for (const [index, part] of parts.entries()) {
    const alone = parts.length === 1
    const own = alone ? whole : variables.wrap(noiseObjective(part.layers, part.tensors, variables.denseCount))
    const noiseAt = (numbers: Float64Array) => portable.exp(own(numbers, new Float64Array(variables.count)))
    const rest = alone ? 0 : Math.max(0, total - noiseAt(at))
    const objective = alone
      ? whole
      : onlyOver(
          part.numbers,
          at,
          variables.wrap(noiseObjective(part.layers, part.tensors, variables.denseCount, rest)),
        )
    const pick = (all: Float64Array) => (alone ? all : Float64Array.from(part.numbers, (number) => all[number] ?? 0))
    const found = await minimizeInBox(objective, pick(at), {
      lower: pick(variables.lower),
      upper: pick(variables.upper),
      iterations: ITERATIONS,
      leastGain: LEAST_GAIN,
      between: async (iteration) => {
        throwIfCancelled(watch.signal)
        if (iteration % 5 !== 0) return
        report(watch, { step: 'equalise', done: index * ITERATIONS + iteration, total: parts.length * ITERATIONS })
        // The sums run on the caller's thread: let it see to other things.
        await new Promise((resolve) => setTimeout(resolve))
      },
    })
    at = alone ? found.at : merged(at, part.numbers, found.at)
    total = alone ? total : rest + noiseAt(at)
  }
  report(watch, { step: 'equalise', done: parts.length * ITERATIONS, total: parts.length * ITERATIONS })
  return { at, share: portable.exp(logOf(at) - logOf(variables.start)) }
}

/** An objective over some of its numbers, the others as they are. */
function onlyOver(numbers: readonly number[], at: Float64Array, objective: Objective): Objective {
  const [all, slope] = [at.slice(), new Float64Array(at.length)]
  return (own, gradient) => {
    for (const [i, number] of numbers.entries()) all[number] = own[i] ?? 0
    const value = objective(all, slope)
    for (const [i, number] of numbers.entries()) gradient[i] = slope[number] ?? 0
    return value
  }
}

function merged(at: Float64Array, numbers: readonly number[], own: Float64Array): Float64Array {
  const all = at.slice()
  for (const [i, number] of numbers.entries()) all[number] = own[i] ?? 0
  return all
}

function independentParts(
  layers: readonly NoiseLayer[],
  tensors: readonly NoiseTensor[],
  variables: Variables,
): Part[] {
  const sets = new UnionFind()
  sets.add(variables.count)
  const numbersOf = (channels: Iterable<number>) => {
    const numbers = new Set<number>()
    for (const channel of channels)
      if (channel >= 0) for (const number of variables.numbersOf(channel)) numbers.add(number)
    return [...numbers]
  }
  const touched = [
    ...layers.map((layer) => ({ layer, numbers: numbersOf([...layer.inputVariable, ...layer.outputVariable]) })),
    ...tensors.map((tensor) => ({ tensor, numbers: numbersOf(tensor.variable) })),
  ]
  for (const { numbers } of touched) for (const number of numbers) sets.join(numbers[0] ?? 0, number)
  const parts = new Map<number, Part>()
  for (const each of touched) {
    if (each.numbers.length === 0) continue
    const root = sets.root(each.numbers[0] ?? 0)
    const part = parts.get(root) ?? { layers: [], tensors: [], numbers: [] }
    parts.set(root, part)
    if ('layer' in each) part.layers.push(each.layer)
    else part.tensors.push(each.tensor)
  }
  for (let number = 0; number < variables.count; number++) parts.get(sets.root(number))?.numbers.push(number)
  return [...parts.values()]
}
