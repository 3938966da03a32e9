// The encodings of a quantisation, handed to the host that writes them.
import type { Model } from '../../onnx/index.ts'
import { encodedModel } from '../../quantize/index.ts'
import type { QuantizeHost } from './host.ts'
import type { Produced } from './mode.ts'
import type { WrittenEncodings } from './run.ts'

/** @param original names of weights are taken from it */
export async function writtenEncodings(
  { floatModel, quantized, plan }: Produced,
  original: Model,
  { writeEncodings }: Pick<QuantizeHost, 'writeEncodings'>,
  notes: string[],
): Promise<WrittenEncodings | undefined> {
  if (plan) return writeEncodings?.(encodedModel({ float: floatModel, quantized, plan }, original))
  if (writeEncodings) notes.push('there are no encodings: nothing was quantised')
  return undefined
}
