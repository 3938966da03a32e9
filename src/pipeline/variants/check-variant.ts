// A written file in every runtime at hand: does it load, what does it answer, how long does it take, and do the runtimes agree?
import { RuntimeFailure, throwIfCancelled, UnsupportedError, type Watch } from '../../base/index.ts'
import { median, withoutFloat16 } from '../../math/index.ts'
import { Comparer, type Comparison, cosineOf, editDistance, writeGreedily } from '../../metrics/index.ts'
import type { Model } from '../../onnx/index.ts'
import { type Runtime, type Session, type Values, withSession } from '../../runtime/index.ts'
import { mainSqnr } from '../verdict.ts'
import { type Reference, TOKENS } from './reference.ts'

/**
 * Mean cosine of the samples between two runtimes that compute the same. Integers that a runtime rounds itself may fall to another code
 * where two sums of floats differ in the last bit; from there on a sample has other noise, and no more of it.
 */
const SAME = 0.9999
/** Runtimes whose SQNR differs by less, in dB, are equally near to the float model. */
const EQUALLY_NEAR_DB = 1
/** Samples that runtimes behind the first one are asked. */
const ASKED = 32
const TIMED = { warmups: 3, rounds: 30, limitMs: 1200 }

export interface CheckedFile {
  readonly file: Model | Uint8Array
  readonly label: string
  readonly float: Model
  /** The runtime that it is made for, where two answer otherwise and neither is nearer. */
  readonly madeFor: string
}

/** What is known of a file after it was opened. */
export interface CheckedVariant {
  /** Runtime → true, or why it is not for it. */
  readonly loads: Readonly<Record<string, true | string>>
  /** Runtime → median of a run with one sample. */
  readonly latencyMs: Readonly<Record<string, number>>
  /** The same of the float model, interleaved with it. */
  readonly floatMs: Readonly<Record<string, number>>
  /** Against the float model, in the runtime that it is for; absent when there is none. */
  readonly comparison?: Comparison
  /** Mean cosine of the embeddings, or of all outputs, between the runtimes. */
  readonly runtimeCosine?: number
  /** Share of the tokens that a decoder writes otherwise than the float model, in the first runtime that loads it. */
  readonly tokenErrorRate?: number
}

interface Answers {
  readonly runtime: string
  readonly comparison: Comparison
  /** Of the samples that every runtime is asked, a list a batch. */
  readonly outputs: readonly Values[]
}

/** Opens a file in each runtime, and compares it with the float model and with itself in the first one. */
export async function checkVariant(
  runtimes: readonly Runtime[],
  given: CheckedFile,
  reference: Reference,
  watch: Watch,
): Promise<CheckedVariant> {
  const loads: Record<string, true | string> = {}
  const latencyMs: Record<string, number> = {}
  const floatMs: Record<string, number> = {}
  const all: Answers[] = []
  let tokenErrorRate: number | undefined
  for (const runtime of runtimes) {
    const { name } = runtime
    try {
      await withSession(runtime, given.file, { label: given.label }, async (session) => {
        const answers = await answersOf(session, reference, all.length > 0, watch)
        if (all.length === 0) tokenErrorRate = await tokenErrors(session, reference)
        const { own, its } = await times(runtime, session, given.float, reference.sample)
        latencyMs[name] = own
        if (its !== undefined) floatMs[name] = its
        all.push({ runtime: name, ...answers })
      })
      loads[name] = true
    } catch (error) {
      throwIfCancelled(watch.signal)
      if (!(error instanceof UnsupportedError || error instanceof RuntimeFailure)) throw error
      loads[name] = error.message
    }
  }
  const agreed = agreementOf(all, reference, given.madeFor)
  return {
    ...{ loads: { ...loads, ...agreed.otherwise }, latencyMs, floatMs },
    ...(agreed.chosen ? { comparison: agreed.chosen.comparison } : {}),
    ...(agreed.cosine === undefined ? {} : { runtimeCosine: agreed.cosine }),
    ...(tokenErrorRate === undefined ? {} : { tokenErrorRate }),
  }
}

async function answersOf(
  session: Session,
  { batches, text }: Reference,
  few: boolean,
  watch: Watch,
): Promise<Omit<Answers, 'runtime'>> {
  const comparer = new Comparer(undefined, text)
  const outputs: Values[] = []
  let samples = 0
  for (const { batch, outputs: float } of batches) {
    throwIfCancelled(watch.signal)
    if (few && samples >= ASKED) break
    const got = withoutFloat16(await session.run(batch.inputs))
    comparer.add(float, got, batch)
    if (samples < ASKED) outputs.push(got)
    samples += batch.size
  }
  return { comparison: comparer.result(), outputs }
}

/** Edit distance of what is written as a share of what the float model writes; undefined of a model that writes nothing. */
async function tokenErrors(session: Session, { writing }: Reference): Promise<number | undefined> {
  if (!writing) return undefined
  const { given, output, texts } = writing
  let [errors, tokens] = [0, 0]
  for (const text of texts) {
    const written = await writeGreedily(session, text.inputs, { given, output, count: TOKENS })
    errors += editDistance(text.tokens, written)
    tokens += text.tokens.length
  }
  return tokens === 0 ? undefined : errors / tokens
}

interface Agreement {
  /** The answers that count. */
  readonly chosen: Answers | undefined
  /** Lowest mean cosine between the first runtime and another. */
  readonly cosine?: number
  /** Runtime → why the file is not for it. */
  readonly otherwise: Readonly<Record<string, string>>
}

function agreementOf(all: readonly Answers[], reference: Reference, madeFor: string): Agreement {
  const [first] = all
  if (!first) return { chosen: undefined, otherwise: {} }
  const cosines = all.slice(1).map(({ outputs }) => cosineBetween(first.outputs, outputs, reference))
  if (cosines.length === 0) return { chosen: first, otherwise: {} }
  const cosine = Math.min(...cosines)
  if (cosine >= SAME) return { chosen: first, cosine, otherwise: {} }
  const chosen = all.reduce((best, each) => (isBetterIn(each, best, madeFor) ? each : best))
  const why = `it answers otherwise than ${chosen.runtime} (cosine ${cosine.toFixed(5)}), which the file is for`
  const others = all.filter((each) => each !== chosen)
  return { chosen, cosine, otherwise: Object.fromEntries(others.map(({ runtime }) => [runtime, why])) }
}

/** Mean cosine of two runtimes' embeddings; where a model gives none, of the output that differs most. */
function cosineBetween(first: readonly Values[], other: readonly Values[], { batches, text }: Reference): number {
  const comparer = new Comparer(undefined, text)
  const lowest = other.map((values, index) => {
    const before = first[index] ?? {}
    const batch = batches[index]?.batch
    if (batch) comparer.add(before, values, batch)
    return lowestCosine(before, values)
  })
  const mean = lowest.reduce((sum, cosine) => sum + cosine, 0) / lowest.length
  return comparer.result().similarity?.pooled.value ?? mean
}

/** Lowest cosine of a float output that both have; 1 where there is none. */
function lowestCosine(reference: Values, got: Values): number {
  const cosines = Object.entries(reference).flatMap(([name, { data }]) => {
    const other = got[name]?.data
    return data instanceof Float32Array && other instanceof Float32Array ? [cosineOf(data, other)] : []
  })
  // What is not a number is as far away as can be.
  return cosines.reduce((least, cosine) => (cosine >= least ? least : Number.isNaN(cosine) ? -1 : cosine), 1)
}

function isBetterIn(a: Answers, b: Answers, madeFor: string): boolean {
  const db = ({ comparison }: Answers) => mainSqnr(comparison) ?? Number.POSITIVE_INFINITY
  const gain = db(a) - db(b)
  return Math.abs(gain) >= EQUALLY_NEAR_DB ? gain > 0 : a.runtime === madeFor
}

/** Medians of the file and of the float model on one sample, in turn; of the file alone where the float model does not load. */
async function times(
  runtime: Runtime,
  session: Session,
  float: Model,
  sample: Values,
): Promise<{ readonly own: number; readonly its?: number }> {
  const timed = async (sessions: readonly Session[]) => {
    const feeds = sessions.map(() => sample)
    const { milliseconds } = await runtime.time(sessions, feeds, TIMED)
    return milliseconds.map((each) => median(each))
  }
  try {
    return await withSession(runtime, float, { label: 'the float model' }, async (other) => {
      const [own = 0, its = 0] = await timed([session, other])
      return { own, its }
    })
  } catch (error) {
    if (!(error instanceof UnsupportedError || error instanceof RuntimeFailure)) throw error
    const [own = 0] = await timed([session])
    return { own }
  }
}
