// The training loop: batches in a seeded order, one run of the graph a step, the optimiser in place.
import { CancelledError, InputError, RuntimeFailure } from '../../base/index.ts'
import { randomStream } from '../../math/index.ts'
import type { Runtime, Session, Values } from '../../runtime/index.ts'
import { withTrainingSession } from '../blocked/session.ts'
import { globalNorm } from '../optimizers/optimizer.ts'
import { type TakeStep, withSteps } from '../optimizers/steps.ts'
import { FEEDS, type TrainingGraph } from '../training-graph.ts'
import { feedsOf } from './feeds.ts'
import { firstNonFinite, refuseNonFinite } from './non-finite.ts'
import type { TrainOptions, TrainResult } from './options.ts'
import { reportStep } from './report-step.ts'
import { makeBatch, type SampleStore, type TrainingBatch } from './sample-store.ts'
import { type Arrays, cloneArrays, cloneState, newState, type TrainState } from './state.ts'
import { addTo, follow, topOf } from './sums.ts'
import { type Teacher, withTeacher } from './teacher.ts'

/** Steps whose losses are kept for the curve. */
const CURVE_POINTS = 400
/** How often the learning rate is halved and the last epoch begun again before giving up. */
const MOST_HALVINGS = 3

/**
 * Trains. With the same seed, samples and number of threads the result has the same bits, resumed or not.
 * @throws CancelledError after the step in flight, when the checkpoint has been written; RuntimeFailure naming the first
 * tensor that is not finite, when halving the learning rate three times did not help
 */
export async function train(
  runtime: Runtime,
  trained: Trained,
  store: SampleStore,
  options: TrainOptions,
): Promise<TrainResult> {
  const { graph } = trained
  if (store.size === 0) throw new InputError('there are no samples to train on')
  const taught = { model: options.teacher ?? graph.model, values: graph.needs.teacher, batch: graph.batch }
  return withTrainingSession(runtime, graph, (session) =>
    withTeacher(runtime, taught, (teacher) =>
      withSteps(runtime, options.optimizer, graph.parameters, (take) =>
        new Trainer({ runtime, session, teacher, take }, trained, store, options).run(),
      ),
    ),
  )
}

/** What is trained: a graph, and the values that it begins with. */
export interface Trained {
  readonly graph: TrainingGraph
  readonly initial: Arrays
}

/** What is open while a training runs. */
interface Open {
  readonly runtime: Runtime
  readonly session: Session
  readonly teacher: Teacher
  readonly take: TakeStep
}

class Trainer {
  readonly #open: Open
  readonly #graph: TrainingGraph
  readonly #store: SampleStore
  readonly #options: TrainOptions
  readonly #stepsPerEpoch: number
  readonly #times: number[] = []
  readonly #notes: string[] = []
  #state: TrainState
  /** The state at the start of this epoch, to go back to. */
  #anchor: TrainState
  #ahead: { readonly key: string; readonly batch: Promise<TrainingBatch> } | undefined
  #samplesDone = 0
  #started = performance.now()

  constructor(open: Open, { graph, initial }: Trained, store: SampleStore, options: TrainOptions) {
    this.#open = open
    this.#graph = graph
    this.#store = store
    this.#options = options
    this.#stepsPerEpoch = Math.ceil(store.size / options.batch)
    this.#state = options.resume ?? newState(initial)
    this.#anchor = cloneState(this.#state)
  }

  async run(): Promise<TrainResult> {
    const { epochs, patience, signal } = this.#options
    while (this.#state.epoch < epochs) {
      const finished = await this.#epoch()
      if (!finished) continue
      await this.#options.checkpoint?.(this.#state)
      this.#anchor = cloneState(this.#state)
      const { best, epoch, history } = this.#state
      const top = history.findLast(({ score }) => score === topOf(history))?.epoch ?? epoch
      if (patience !== undefined && best && epoch - top >= patience) {
        this.#notes.push(`stopped after ${epoch} of ${epochs} epochs: no better score for ${patience}`)
        break
      }
      if (signal?.aborted) throw new CancelledError()
    }
    const { best, values, history, losses, step } = this.#state
    const sorted = this.#times.toSorted((a, b) => a - b)
    return {
      values: best?.values ?? values,
      history,
      losses,
      ...(best ? { best: { epoch: best.epoch, score: best.score } } : {}),
      steps: step,
      stepMs: sorted[sorted.length >> 1] ?? 0,
      notes: this.#notes,
    }
  }

  /** One epoch, or the rest of one; false when it has to begin again with a smaller learning rate. */
  async #epoch(): Promise<boolean> {
    const state = this.#state
    const { batch, seed, signal } = this.#options
    const started = performance.now()
    const all = Array.from({ length: this.#store.size }, (_, i) => i)
    const order = randomStream(seed, `order of epoch ${state.epoch}`).shuffle(all)
    while (state.stepInEpoch < this.#stepsPerEpoch) {
      if (signal?.aborted) {
        await this.#options.checkpoint?.(state)
        throw new CancelledError()
      }
      const from = state.stepInEpoch * batch
      const loss = await this.#step(order.slice(from, from + batch), order.slice(from + batch, from + 2 * batch))
      if (loss === undefined) return false
      state.lossSum += loss
      this.#record(loss)
      state.step++
      state.stepInEpoch++
      this.#samplesDone += Math.min(batch, this.#store.size - from)
      this.#report(loss)
    }
    await this.#finishEpoch((performance.now() - started) / 1000)
    return true
  }

  async #finishEpoch(seconds: number): Promise<void> {
    const state = this.#state
    const score = await this.#options.score?.(state.values)
    state.epoch++
    // Of scores that chance could explain the later epoch wins: it has seen more, with a smaller rate.
    if (score !== undefined) {
      const top = topOf([...state.history, { score }])
      if (score >= top - (this.#options.tolerance?.(top) ?? 0))
        state.best = { epoch: state.epoch, score, values: cloneArrays(state.values) }
    }
    state.history.push({
      epoch: state.epoch,
      loss: state.lossSum / this.#stepsPerEpoch,
      ...(score === undefined ? {} : { score }),
      rate: this.#rate(),
      seconds,
    })
    state.stepInEpoch = 0
    state.lossSum = 0
  }

  #rate(): number {
    const { schedule, rate, epochs } = this.#options
    const { step, epoch, rateFactor } = this.#state
    return rate * rateFactor * schedule(step, epochs * this.#stepsPerEpoch, epoch)
  }

  /** One optimiser step; undefined when something was not finite and the epoch begins again. */
  async #step(places: readonly number[], next: readonly number[]): Promise<number | undefined> {
    const started = performance.now()
    const { loss, gradients, statistics, feedsAgain } = await this.#gradients(places, next)
    const norm = globalNorm(gradients.values())
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      // No learning rate makes up for these.
      await refuseNonFinite(this.#store, places, this.#state.step === 0 ? this.#state.values : new Map())
      await this.#goBack(feedsAgain)
      return undefined
    }
    const { clipNorm, decay = 0, rateOf, afterStep } = this.#options
    if (clipNorm !== undefined && norm > clipNorm)
      for (const gradient of gradients.values())
        for (let i = 0; i < gradient.length; i++) gradient[i]! *= clipNorm / norm
    const { values, step } = this.#state
    const rate = this.#rate()
    await this.#open.take(this.#state, gradients, ({ name, kind }) => ({
      rate: rate * (rateOf?.(name) ?? 1),
      decay: kind === 'weight' ? decay : 0,
      step: step + 1,
    }))
    for (const { mean, variance, momentum } of this.#graph.batchNorms) {
      follow(values.get(mean), statistics.get(mean), momentum)
      follow(values.get(variance), statistics.get(variance), momentum)
    }
    afterStep?.(values)
    this.#times.push(performance.now() - started)
    return loss
  }

  /** Mean loss and gradients over the places; several runs when the graph's batch is smaller. `next` are read meanwhile. */
  async #gradients(
    places: readonly number[],
    next: readonly number[],
  ): Promise<{
    loss: number
    gradients: Map<string, Float32Array>
    statistics: Map<string, Float32Array>
    /** What the last run was fed: for looking into a run that failed, made again. */
    feedsAgain: () => Promise<Values>
  }> {
    const { batch } = this.#graph
    const sums = new Map<string, Float32Array>()
    const statistics = new Map<string, Float32Array>()
    let loss = 0
    let weight = 0
    let feedsAgain = async (): Promise<Values> => ({})
    // The teacher's values are made for one run: they move to where it runs instead of being copied.
    const handOver = this.#graph.needs.teacher.map(FEEDS.teacher)
    const runs = Math.ceil(places.length / batch)
    for (let run = 0; run < runs; run++) {
      const part = places.slice(run * batch, (run + 1) * batch)
      const made = await this.#batch(part)
      this.#readAhead(run + 1 < runs ? places.slice((run + 1) * batch, (run + 2) * batch) : next.slice(0, batch))
      if (made.rows === 0) continue
      feedsAgain = () => this.#feedsOf(part, made)
      const results = await this.#open.session.run(await feedsAgain(), { handOver })
      const share = made.rows
      weight += share
      loss += share * Number(results[this.#graph.loss]?.data[0])
      for (const { name, gradient } of this.#graph.parameters)
        addTo(sums, name, results[gradient]?.data, runs === 1 ? 1 : share)
      for (const norm of this.#graph.batchNorms) {
        addTo(statistics, norm.mean, results[norm.batchMean]?.data, runs === 1 ? 1 : 1 / runs)
        addTo(statistics, norm.variance, results[norm.batchVariance]?.data, runs === 1 ? 1 : 1 / runs)
      }
    }
    if (weight === 0) return { loss: 0, gradients: sums, statistics, feedsAgain }
    if (runs > 1) for (const sum of sums.values()) for (let i = 0; i < sum.length; i++) sum[i]! /= weight
    return { loss: loss / weight, gradients: sums, statistics, feedsAgain }
  }

  /** The batch of these places: the one that was read ahead, when it is that one. */
  #batch(places: readonly number[]): Promise<TrainingBatch> {
    const { seed, augmentation, classes } = this.#options
    const key = `${this.#state.epoch}: ${places}`
    if (this.#ahead?.key === key) return this.#ahead.batch
    const plan = { places, seed, epoch: this.#state.epoch, augmentation }
    return makeBatch(this.#store, this.#graph, plan, classes)
  }

  /** Reads and joins the next batch while ONNX Runtime computes in its own thread. */
  #readAhead(places: readonly number[]): void {
    this.#ahead = undefined
    if (places.length === 0) return
    const batch = this.#batch(places)
    // A failure is thrown when its turn comes; until then nobody listens to it.
    batch.catch(() => {})
    this.#ahead = { key: `${this.#state.epoch}: ${places}`, batch }
  }

  async #feedsOf(places: readonly number[], batch: TrainingBatch): Promise<Values> {
    const keep = this.#options.augmentation === undefined && inRows(this.#graph)
    const taught = await this.#open.teacher.run(places, batch.inputs, keep)
    return feedsOf(this.#graph, batch, taught, this.#state.values)
  }

  async #goBack(feedsAgain: () => Promise<Values>): Promise<void> {
    const halvings = this.#state.halvings + 1
    if (halvings > MOST_HALVINGS) {
      const first = await firstNonFinite(this.#open.runtime, this.#graph.model, await feedsAgain())
      throw new RuntimeFailure(
        `the training does not stay finite: in step ${this.#state.step + 1} "${first ?? this.#graph.loss}" is NaN or infinite, also after the learning rate was halved ${MOST_HALVINGS} times; give a smaller --lr, or check the samples`,
        { tensor: first ?? this.#graph.loss },
      )
    }
    this.#notes.push(`step ${this.#state.step + 1} was not finite: the learning rate was halved, the epoch begun again`)
    const back = cloneState(this.#anchor)
    Object.assign(this.#state, back, { halvings, rateFactor: back.rateFactor / 2 })
    this.#anchor = { ...this.#anchor, halvings, rateFactor: this.#state.rateFactor }
  }

  #record(loss: number): void {
    const { losses, step } = this.#state
    const every = Math.max(1, Math.ceil((this.#options.epochs * this.#stepsPerEpoch) / CURVE_POINTS))
    if (step % every === 0) losses.push({ step, loss })
  }

  #report(loss: number): void {
    const samplesPerSecond = (1000 * this.#samplesDone) / (performance.now() - this.#started)
    const steps = this.#options.epochs * this.#stepsPerEpoch
    reportStep(this.#options, this.#state, { loss, steps, rate: this.#rate(), samplesPerSecond })
  }
}

/** Are samples joined along the first axis, so that what the teacher says of each can be kept by itself? */
function inRows({ fixed }: TrainingGraph): boolean {
  return Object.values(fixed?.axes ?? {}).every((axis) => axis === 0)
}
