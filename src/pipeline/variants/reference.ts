// What the float model answers on the samples that are scored: run once, for all variants and runtimes.
import { throwIfCancelled, type Watch } from '../../base/index.ts'
import { type Batch, type DecoderInputs, decoderInputs, feedsOf, samplesIn } from '../../data/index.ts'
import { withoutFloat16 } from '../../math/index.ts'
import { type TextOutput, textOutputOf, writeGreedily } from '../../metrics/index.ts'
import type { Model, ShapedModel } from '../../onnx/index.ts'
import { type Runtime, type Session, type Values, withSession } from '../../runtime/index.ts'
import { readBatches, type Scoring } from '../samples.ts'
import { logitsOf } from './decoder-samples.ts'

/** A batch with what the float model made of it. */
export interface ReferenceBatch {
  readonly batch: Batch
  readonly outputs: Values
}

/** Tokens written greedily, with the cache of the model where it has one. */
export interface Writing {
  readonly given: DecoderInputs
  readonly output: string
  readonly texts: readonly { readonly inputs: Values; readonly tokens: readonly number[] }[]
}

export interface Reference {
  readonly batches: readonly ReferenceBatch[]
  readonly samples: number
  /** One sample, to time on. */
  readonly sample: Values
  /** What the first output is, where the graph tells. */
  readonly text?: TextOutput | undefined
  /** What the float model writes behind some of the samples, of a decoder. */
  readonly writing?: Writing | undefined
}

/** Bytes of samples and outputs that are kept. */
const KEPT_BYTES = 96e6
/** Texts that are written on, and tokens of each, at most. */
const TEXTS = 16
export const TOKENS = 12

/** Runs the float model on the samples, as many as fit in memory. */
export async function referenceOf(
  runtime: Runtime,
  { model, shapes }: ShapedModel,
  { dataset, indices }: Scoring,
  watch: Watch,
): Promise<Reference> {
  const kept: ReferenceBatch[] = []
  const text = textOutputOf(model)
  let writing: Writing | undefined
  await withSession(runtime, model, { label: 'the float model' }, async (session) => {
    let bytes = 0
    for await (const batch of readBatches({ dataset, indices }, { model, shapes }, watch)) {
      throwIfCancelled(watch.signal)
      const outputs = withoutFloat16(await session.run(batch.inputs))
      kept.push({ batch, outputs })
      bytes += bytesOf(outputs) + bytesOf(batch.inputs)
      if (bytes > KEPT_BYTES) break
    }
    writing = await writingOf(session, model, kept, text)
  })
  return {
    batches: kept,
    samples: kept.reduce((sum, { batch }) => sum + batch.size, 0),
    sample: await feedsOf(dataset, indices[0] ?? 0),
    text,
    writing,
  }
}

/** Of a decoder whose tokens may grow in number; undefined of any other model. */
async function writingOf(
  session: Session,
  { graph }: Model,
  kept: readonly ReferenceBatch[],
  text: TextOutput | undefined,
): Promise<Writing | undefined> {
  const given = decoderInputs(graph.inputs)
  const output = logitsOf(session.outputs)
  const tells = output !== undefined && (text?.kind === 'logits' || /^logits$/i.test(output))
  const length = graph.inputs.find(({ name }) => name === given?.tokens)?.shape?.at(-1)
  if (!given || !tells || (given.pasts.length === 0 && typeof length === 'number')) return undefined
  const texts: { inputs: Values; tokens: number[] }[] = []
  for (const { inputs } of kept.flatMap(({ batch }) => samplesIn(batch)).slice(0, TEXTS))
    texts.push({ inputs, tokens: await writeGreedily(session, inputs, { given, output, count: TOKENS }) })
  return { given, output, texts }
}

const bytesOf = (values: Values) => Object.values(values).reduce((sum, { data }) => sum + data.byteLength, 0)
