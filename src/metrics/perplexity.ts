// perplexity: how many tokens a language model hesitates between, exp of the mean of −ln p of the token that follows.
import { InputError } from '../base/index.ts'
import { logProbability } from '../math/index.ts'
import { defineMetric, type Metric, type ScoredSample } from './metric.ts'

/** Lower is better. Labels are the tokens that follow, -1 where none is to be told. */
export const perplexity: Metric = defineMetric({
  name: 'perplexity',
  unit: '',
  lowerIsBetter: true,
  needsLabels: true,
  score: surprises,
  total: (scores) => {
    const all = (scores as readonly (readonly number[])[]).flat()
    return Math.exp(all.reduce((sum, surprise) => sum + surprise, 0) / all.length)
  },
})

/** −ln p of each token that follows, in nats; undefined where no position has a label. */
function surprises({ outputs, label }: ScoredSample): readonly number[] | undefined {
  const [logits] = Object.values(outputs)
  const labels = label === undefined ? [] : [label].flat()
  const width = logits?.dims.at(-1) ?? 0
  if (!(logits?.data instanceof Float32Array) || labels.length * width > logits.data.length) return undefined
  const { data } = logits
  const found = labels.flatMap((token, row) => {
    if (token < 0) return []
    if (token >= width)
      throw new InputError(`a token is ${token}, but the model tells ${width} apart; is it the model's tokenizer?`)
    return [-logProbability(data, token, row * width, width)]
  })
  return found.length > 0 ? found : undefined
}
