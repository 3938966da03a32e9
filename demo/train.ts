// The training loop: every batch is drawn afresh, so no picture is seen twice and nothing can be learned by heart.
import { type Random, randomStream } from '../src/math/index.ts'
import { Adam } from './adam.ts'
import { type Drawing, drawPicture, SIDE } from './draw.ts'
import { crossEntropy } from './loss.ts'
import type { Layer, Maps } from './maps.ts'
import { normalizePixel } from './preprocess.ts'
import { shapes } from './shapes.ts'

export interface Schedule {
  readonly seed: number
  readonly steps: number
  readonly batchSize: number
  /** Highest learning rate; reached after `warmup` steps, then down to 0 along half a cosine (arXiv 1608.03983). */
  readonly rate: number
  readonly warmup: number
  readonly weightDecay: number
  /** Steps over which the pictures go from easy to as hard as those of the test set (a curriculum). */
  readonly easySteps: number
}

/** What happened in the steps since the last report. */
export interface TrainingReport {
  readonly step: number
  /** Means over those steps, on pictures the network had not seen. */
  readonly loss: number
  readonly accuracy: number
}

/** Trains `network` in place. */
export function train(
  network: Layer,
  schedule: Schedule,
  onReport: (report: TrainingReport) => void = () => {},
  reportEvery = 100,
): void {
  const random = randomStream(schedule.seed, 'training')
  const optimizer = new Adam(network.parameters, schedule.weightDecay)
  let [loss, right, since] = [0, 0, 0]
  for (let step = 1; step <= schedule.steps; step++) {
    const batch = Array.from({ length: schedule.batchSize }, () =>
      anyPicture(random, Math.min(1, step / schedule.easySteps)),
    )
    const labels = batch.map(({ label }) => label)
    const result = crossEntropy(network.forward(inputOf(batch)), labels)
    network.backward(result.gradient)
    optimizer.step(rateAt(step, schedule))
    loss += result.value
    right += result.right
    since++
    if (step % reportEvery !== 0 && step !== schedule.steps) continue
    onReport({ step, loss: loss / since, accuracy: right / (since * schedule.batchSize) })
    ;[loss, right, since] = [0, 0, 0]
  }
}

function anyPicture(random: Random, difficulty: number): Drawing {
  return drawPicture(random.integer(0, shapes.length - 1), random, difficulty)
}

/** The learning rate of a step, counted from 1. */
export function rateAt(step: number, { steps, rate, warmup }: Schedule): number {
  if (step <= warmup) return (rate * step) / warmup
  return (rate / 2) * (1 + Math.cos((Math.PI * (step - warmup)) / (steps - warmup)))
}

/** Pictures as the network's input: planes turned into channels that lie together. */
export function inputOf(pictures: readonly Drawing[]): Maps {
  const data = new Float32Array(pictures.length * SIDE * SIDE * 3)
  let at = 0
  for (const { planes } of pictures)
    for (let pixel = 0; pixel < SIDE * SIDE; pixel++)
      for (let c = 0; c < 3; c++) data[at++] = normalizePixel(planes[c * SIDE * SIDE + pixel]!)
  return { data, count: pictures.length, height: SIDE, width: SIDE, channels: 3 }
}
