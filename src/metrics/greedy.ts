// Greedy writing: the likeliest token at a time, with the cache where a model has one.
import { type DecoderInputs, nextStep, withTokens } from '../data/index.ts'
import { argMax, withoutFloat16 } from '../math/index.ts'
import type { Values } from '../runtime/index.ts'
import type { Runs } from './metric.ts'

export interface Writing {
  readonly given: DecoderInputs
  /** The output of the logits, [1, length, vocabulary]. */
  readonly output: string
  /** Tokens to write, at most. */
  readonly count: number
  /** Tokens that end a text. */
  readonly ends?: readonly number[]
}

/** The tokens that a model writes behind those of one sample; fewer where it ends, none where it gives no logits. */
export async function writeGreedily(
  session: Runs,
  feeds: Values,
  { given, output, count, ends = [] }: Writing,
): Promise<number[]> {
  const written: number[] = []
  let inputs = feeds
  while (written.length < count) {
    const outputs = await session.run(inputs)
    const logits = withoutFloat16({ logits: outputs[output] ?? none })['logits']
    const width = logits?.dims.at(-1) ?? 0
    if (!(logits?.data instanceof Float32Array) || width < 2 || logits.data.length < width) return written
    const token = argMax(logits.data, logits.data.length - width, width)
    written.push(token)
    if (ends.includes(token)) return written
    inputs = nextStep(inputs, outputs, given, [token]) ?? withTokens(inputs, given, [token])
  }
  return written
}

const none = { dtype: 'float32', dims: [0], data: new Float32Array(0) } as const
