// Memory that goes at once, not when it is collected.
import { MessageChannel } from 'node:worker_threads'

/**
 * Gives the memory of an array back that nobody reads any more; it is empty afterwards. A thread that holds little else is slow to
 * collect, and what a model is opened from is as large as the model.
 */
export function dropBytes({ buffer, byteLength }: Uint8Array): void {
  // A part of a buffer is not ours to empty.
  if (!(buffer instanceof ArrayBuffer) || byteLength !== buffer.byteLength) return
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(undefined, [buffer])
  port1.close()
  port2.close()
}
