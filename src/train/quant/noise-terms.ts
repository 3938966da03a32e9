// Which values of the float and of the quantised model are compared, and how far apart they are before training.
import { throwIfCancelled, type Watch } from '../../base/index.ts'
import { feedsOf, type Samples } from '../../data/index.ts'
import { extractModel, type Model } from '../../onnx/index.ts'
import type { QuantizedPair } from '../../quantize/index.ts'
import { type Runtime, type Values, withSession } from '../../runtime/index.ts'
import { logitsOf } from '../loss/logits.ts'
import type { NoiseTerm } from '../loss/output-noise.ts'

/** A share of noise below this is none: 120 dB. */
const EXACT = 1e-12

/** Two values that should be equal, and Σ (a − b)², Σ a² and the number of elements over all samples. */
interface Pair {
  readonly own: string
  readonly teacher: string
  noise: number
  power: number
  size: number
}

/**
 * A term for each float output that quantisation changed, weighted so that each begins at 1/(number of them): an output of
 * small numbers counts as much as one of large ones, as in a mean SQNR. What stands before a final Softmax is compared there.
 * Empty when all outputs are exact, or none is finite.
 */
export async function noiseTerms(
  runtime: Runtime,
  { float, quantized }: QuantizedPair,
  { dataset, indices }: Samples,
  { signal }: Watch,
): Promise<NoiseTerm[]> {
  const names = new Set(quantized.graph.outputs.map(({ name }) => name))
  const pairs = float.graph.outputs.flatMap(({ name }): Pair[] =>
    names.has(name)
      ? [{ own: logitsOf(quantized, name), teacher: logitsOf(float, name), noise: 0, power: 0, size: 0 }]
      : [],
  )
  const [before, after] = [part(float, pairs, 'teacher'), part(quantized, pairs, 'own')]
  const derived = 'reading its inner values'
  await withSession(runtime, before, { label: 'the float model', derived }, (teacher) =>
    withSession(runtime, after, { label: 'the quantised model', derived }, async (student) => {
      for (const index of indices) {
        throwIfCancelled(signal)
        const inputs = await feedsOf(dataset, index, signal)
        const expected = await teacher.run(fedTo(before, inputs))
        const got = await student.run(fedTo(after, inputs))
        for (const pair of pairs) compare(pair, expected[pair.teacher]?.data, got[pair.own]?.data)
      }
    }),
  )
  const changed = pairs.filter(({ noise, power }) => Number.isFinite(noise) && noise > EXACT * power)
  return changed.map(({ own, teacher, noise, size }) => ({ own, teacher, weight: size / noise / changed.length }))
}

function part(model: Model, pairs: readonly Pair[], side: 'own' | 'teacher'): Model {
  const names = new Set(pairs.map((pair) => pair[side]))
  return extractModel(
    model,
    [...names].map((name) => ({ name })),
  )
}

function fedTo({ graph }: Model, inputs: Values): Values {
  const known = new Set(graph.inputs.map(({ name }) => name))
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => known.has(name)))
}

function compare(pair: Pair, a: unknown, b: unknown): void {
  if (!(a instanceof Float32Array) || !(b instanceof Float32Array) || a.length !== b.length) return
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0]
    pair.noise += (x - y) ** 2
    pair.power += x * x
  }
  pair.size += a.length
}
