// What to do next, by what went wrong: each sentence fits the case it is said of.
import type { VerdictPoint } from '../report/index.ts'
import { quoted } from './shell-word.ts'

type Answer = VerdictPoint['answer'] | undefined

/** What the advice goes by. */
export interface Case {
  readonly dead: boolean
  readonly smaller: Answer
  readonly faster: Answer
  readonly accurate: Answer
  readonly layerCounts?: { readonly total: number; readonly integer: number }
  readonly perTensor?: boolean
  /** Layers whose outputs hold most noise, worst first. */
  readonly hurt?: readonly string[]
  readonly effort?: 'fast' | 'default' | 'high'
  /** Activations stay float: the bits of the weights, and how many share a scale where that is not a channel. */
  readonly weightsOnly?: { readonly bits: number; readonly block?: number }
}

/** Layers that one sentence names. */
const NAMED = 2

/** The advice of a verdict, most important first. */
export function advise(given: Case): string[] {
  const advice: string[] = []
  if (given.dead || given.accurate === 'no') advice.push(moreAccurate(given))
  else if (given.accurate === 'unclear') advice.push(`if it has to be more accurate: ${moreAccurate(given)}`)
  if (given.faster === 'no')
    advice.push(
      given.smaller === 'yes'
        ? `${given.weightsOnly ? 'the file' : 'int8'} is not faster on this machine; take it for its size, ${given.weightsOnly ? '' : 'let --prefer speed leave in float what is slower in integers, '}or measure on the machine that will run it`
        : 'the file is neither smaller nor faster: keep the float model',
    )
  else if (given.smaller === 'no' && given.faster !== 'yes')
    advice.push('the file is not smaller: keep the float model')
  const { integer, total } = given.layerCounts ?? { integer: 0, total: 0 }
  // Weights alone are meant to leave all layers in float.
  if (integer < total && !given.weightsOnly)
    advice.push(`${total - integer} of ${total} layers run in float; the report says why`)
  return advice
}

/** What is most likely to bring accuracy back. */
function moreAccurate({ perTensor, hurt = [], effort, weightsOnly }: Case): string {
  if (perTensor) return 'use --weights per-channel: one scale for a whole weight is what costs most accuracy'
  const exclude = hurt
    .slice(0, NAMED)
    .map((name) => `--exclude ${quoted(name)}`)
    .join(' ')
  const float = exclude === '' ? '' : `keep the layers that hurt most in float: ${exclude}`
  if (weightsOnly?.bits === 4) {
    const [worst] = hurt
    const keep = worst === undefined ? '' : ` or --keep-8bit ${quoted(worst)}`
    const { block = 0 } = weightsOnly
    return block > 16 ? `try --block ${block / 2}${keep}, or --weight-bits 8` : 'try --weight-bits 8'
  }
  if (weightsOnly) return float === '' ? 'keep the float model' : float
  if (effort === 'fast') return `leave out --effort fast, which tries nothing${float === '' ? '' : `, or ${float}`}`
  if (effort !== 'high') return `try --effort high, which rounds by second order${float === '' ? '' : `, or ${float}`}`
  return float === '' ? 'give more samples, of the kind that the model will see' : float
}
