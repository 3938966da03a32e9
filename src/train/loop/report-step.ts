// How a training goes on, step by step, for people and for programs.
import type { Watch } from '../../base/index.ts'
import type { TrainState } from './state.ts'

/** Reports the step that was just taken; `steps` is how many there will be. */
export function reportStep(
  watch: Watch,
  { step, epoch, history }: TrainState,
  now: { readonly loss: number; readonly steps: number; readonly rate: number; readonly samplesPerSecond: number },
): void {
  const { loss, steps, rate, samplesPerSecond } = now
  const score = history.at(-1)?.score
  const scored = score === undefined ? '' : `, score ${score.toPrecision(4)}`
  watch.progress?.({
    step: 'train',
    done: step,
    total: steps,
    message: `epoch ${epoch + 1}, loss ${loss.toPrecision(4)}${scored}, ${samplesPerSecond.toPrecision(3)} samples/s`,
    values: {
      loss,
      epoch: epoch + 1,
      rate,
      samplesPerSecond,
      ...(score === undefined || !Number.isFinite(score) ? {} : { score }),
    },
    at: Date.now(),
  })
}
