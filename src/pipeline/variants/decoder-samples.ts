// Samples of a decoder, made by the float graphs themselves: it reads what the encoder made of a sample, the tokens that it writes
// itself, and the cache of its own steps.
import {
  makeArray,
  RuntimeFailure,
  setElement,
  type TensorValue,
  throwIfCancelled,
  type Watch,
} from '../../base/index.ts'
import {
  type Dataset,
  type DecoderInputs,
  datasetOf,
  decoderInputs,
  feedsOf,
  firstTokens,
  inputType,
  nextStep,
  tokensIn,
  withTokens,
} from '../../data/index.ts'
import { writeGreedily } from '../../metrics/index.ts'
import type { Model } from '../../onnx/index.ts'
import { type Runtime, type Session, type Values, withSession } from '../../runtime/index.ts'

/** Tokens that a decoder writes for a sample: later ones are like these. */
const WRITTEN = 8
/** Samples that are made, and bytes that are kept, at most. */
const MOST = 256
const KEPT_BYTES = 192e6

/** What a decoder is given to begin with. */
export interface Beginning {
  /** Tokens in front of every text. */
  readonly starts: readonly number[]
  /** Tokens that end one. */
  readonly ends: readonly number[]
}

export interface DecoderSources extends Beginning {
  /** The decoder that samples are for. */
  readonly decoder: Model
  /** The one that begins without a cache: often the same. */
  readonly starter: Model
  readonly encoder?: Model
  /** Samples of the encoder; without one, of the starter. */
  readonly dataset: Dataset
}

/**
 * Samples with and without a cache in turn, as far as the decoder takes both: a text from its beginning, and the step that goes on from
 * the cache of the first part.
 * @throws RuntimeFailure when a graph does not run on what another one made
 */
export async function decoderSamples(runtime: Runtime, sources: DecoderSources, watch: Watch): Promise<Dataset> {
  const { starter, encoder, dataset } = sources
  const made: { readonly id: string; readonly inputs: Values }[] = []
  const count = Math.min(dataset.size, MOST)
  const withBoth = <T>(work: (encoder: Session | undefined, starter: Session) => Promise<T>) =>
    withSession(runtime, starter, { label: 'the decoder' }, (first) =>
      encoder
        ? withSession(runtime, encoder, { label: 'the encoder' }, (it) => work(it, first))
        : work(undefined, first),
    )
  await withBoth(async (reader, first) => {
    let bytes = 0
    for (let i = 0; i < count && bytes < KEPT_BYTES; i++) {
      throwIfCancelled(watch.signal)
      const index = Math.floor(((i + 0.5) * dataset.size) / count)
      const feeds = await feedsOf(dataset, index, watch.signal)
      const whole = reader ? await written(first, sources, await statesOf(reader, feeds, sources)) : feeds
      const inputs = await sampleOf(first, sources, whole, i % 2 === 1)
      made.push({ id: dataset.id(index), inputs })
      bytes += Object.values(inputs).reduce((sum, { data }) => sum + data.byteLength, 0)
    }
  })
  const some =
    made.length < dataset.size ? [`${made.length} of ${dataset.size} samples are used: more do not fit in memory`] : []
  return {
    ...{ name: dataset.name, size: made.length, hasLabels: false },
    get notes() {
      return [...dataset.notes, ...some]
    },
    id: (index) => made[index]?.id ?? String(index),
    sample: async (index) => ({ id: made[index]?.id ?? String(index), inputs: made[index]?.inputs ?? {} }),
  }
}

/** The output that tells the next token: by its name, or the first. */
export function logitsOf(outputs: readonly string[]): string | undefined {
  return outputs.find((name) => /^logits$/i.test(name)) ?? outputs[0]
}

/** What an encoder made of a sample, as the inputs of the decoder that begins. */
async function statesOf(reader: Session, feeds: Values, { starter }: DecoderSources): Promise<Values> {
  const given = decoderInputs(starter.graph.inputs)
  const outputs = await reader.run(feeds)
  const [output] = reader.outputs
  const states = outputs[output ?? '']
  if (given?.states === undefined || !states) return {}
  const mask = Object.entries(feeds).find(([name]) => /mask$/i.test(name))?.[1]
  const length = states.dims[1] ?? 0
  const kept = mask?.data.length === length ? Array.from(mask.data, Number) : new Array<number>(length).fill(1)
  const input = starter.graph.inputs.find(({ name }) => name === given.statesMask)
  return { [given.states]: states, ...(input ? { [input.name]: row(inputType(input), kept) } : {}) }
}

/** The inputs of a decoder that has written a text from its beginning: the tokens that it chose, no cache. */
async function written(first: Session, { starter, starts, ends }: DecoderSources, states: Values): Promise<Values> {
  const given = decoderInputs(starter.graph.inputs)
  const output = logitsOf(first.outputs)
  if (!given || output === undefined) return states
  const feeds = await filled(starter, given, states, starts)
  const tokens = await writeGreedily(first, feeds, { given, output, count: WRITTEN, ends })
  // The last token is written and not read.
  return withTokens(feeds, given, tokens.slice(0, -1))
}

/** The values of a beginning with every other input filled: masks of ones, no past. */
async function filled(model: Model, given: DecoderInputs, states: Values, starts: readonly number[]): Promise<Values> {
  const values: Record<string, TensorValue> = { ...states }
  const put = (name: string | undefined, numbers: readonly number[]) => {
    const input = model.graph.inputs.find((each) => each.name === name)
    if (input) values[input.name] = row(inputType(input), numbers)
  }
  put(given.tokens, starts)
  put(
    given.mask,
    starts.map(() => 1),
  )
  put(
    given.positions,
    starts.map((_, at) => at),
  )
  const source = {
    ...{ name: 'a beginning', size: 1, hasLabels: false, fed: new Set(Object.keys(values)) },
    ...{ notes: () => [], id: String, read: async () => ({ values }) },
  }
  return feedsOf(datasetOf(source, { inputs: model.graph.inputs }), 0)
}

function row(dtype: TensorValue['dtype'], numbers: readonly number[]): TensorValue {
  const data = makeArray(dtype, numbers.length)
  for (const [at, number] of numbers.entries()) setElement(data, at, number)
  return { dtype, dims: [1, numbers.length], data }
}

/** A sample for the decoder: the whole text, or the step behind its first part, which is all that a decoder with a past takes. */
async function sampleOf(
  first: Session,
  { decoder, starter, encoder }: DecoderSources,
  whole: Values,
  cached: boolean,
): Promise<Values> {
  const [own, start] = [decoderInputs(decoder.graph.inputs), decoderInputs(starter.graph.inputs)]
  const ids = start ? tokensIn(whole, start) : []
  if (own && start && ids.length > 1 && own.pasts.length > 0 && (cached || decoder !== starter)) {
    // A decoder behind an encoder goes on a token at a time; one alone reads what was asked in pieces, too.
    const kept = encoder ? ids.length - 1 : Math.ceil(ids.length / 2)
    const before = firstTokens(whole, start, kept)
    const step = nextStep(before, await first.run(before), own, ids.slice(kept))
    if (step) return onlyInputs(decoder, step)
  }
  return onlyInputs(decoder, whole)
}

/** @throws RuntimeFailure naming an input that nothing was made for */
function onlyInputs({ graph }: Model, values: Values): Values {
  return Object.fromEntries(
    graph.inputs.map(({ name }) => {
      const value = values[name]
      if (!value) throw new RuntimeFailure(`neither the encoder nor a step of the decoder gives its input "${name}"`)
      return [name, value]
    }),
  )
}
