// Softmax cross-entropy: how wrong the logits are, and which way to move them.
import { type Maps, mapsLike } from './maps.ts'

export interface Loss {
  /** Mean over the batch, in nats. */
  readonly value: number
  /** Pictures whose largest logit is that of their label. */
  readonly right: number
  /** dLoss/dLogits. */
  readonly gradient: Maps
}

/** Softmax cross-entropy of logits [count, classes] with one label a picture. */
export function crossEntropy(logits: Maps, labels: readonly number[]): Loss {
  const { channels: classes, count } = logits
  const gradient = mapsLike(logits)
  let [value, right] = [0, 0]
  for (const [n, label] of labels.entries()) {
    const row = logits.data.subarray(n * classes, (n + 1) * classes)
    const largest = Math.max(...row)
    const exponentials = Array.from(row, (logit) => Math.exp(logit - largest))
    const total = exponentials.reduce((a, b) => a + b)
    value -= Math.log(exponentials[label]! / total) / count
    if (row[label] === largest) right++
    for (let c = 0; c < classes; c++)
      gradient.data[n * classes + c] = (exponentials[c]! / total - (c === label ? 1 : 0)) / count
  }
  return { value, right, gradient }
}
