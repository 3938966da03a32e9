// The ladder: naive → folded → equalised → corrected → rounded. Each rung is measured on held-back samples and kept if it helps.
import { report, throwIfCancelled, type Watch } from '../../base/index.ts'
import { channelStatistics, type Spill } from '../../calibrate/index.ts'
import type { Model, Shapes, Statistics } from '../../onnx/index.ts'
import {
  correctBias,
  correctionsIn,
  type LayerCorrection,
  onRanges,
  type QuantizeOptions,
  roundAndCorrect,
  weightBitsOf,
} from '../../quantize/index.ts'
import type { RungRow } from '../../report/index.ts'
import {
  type AppliedRewrite,
  capsWorthFreeing,
  channelRequests,
  checkRewrite,
  EXACT_BOUND_DB,
  equalize,
  explicitBiases,
  foldDeadChannels,
  HOLD_BOUND_DB,
  type Observed,
  observeModel,
  type RewriteResult,
  randomLike,
  widestReaches,
} from '../../rewrite/index.ts'
import { measureIntegerMin, type Runtime, type RuntimeProducts, type Values } from '../../runtime/index.ts'
import { type TrainedBiases, trainBiases } from '../../train/index.ts'
import { type Built, buildQuantized, planFor, type RangeSource, type WidestReach } from './build.ts'
import type { CalibrationSamples } from './calibration-samples.ts'
import { isBetter, Judge, leastOfEqualization, type Score } from './judge.ts'
import { bestChoice, floatChoices, knownRanges, probeSize, SOUND_DB } from './keep-float.ts'
import { storeCorrections } from './learnt.ts'
import { noiseGrids } from './noise-grids.ts'
import { gain, Rungs } from './rungs.ts'
import { someOf, walkSize } from './some-samples.ts'
import { type Learnt, type StoredStatistics, storedChannels, storedTensors } from './stored-statistics.ts'
import type { Technique } from './techniques.ts'
import { type TuningSamples, tuningSamples } from './tuning-samples.ts'

export interface LadderOptions extends Watch {
  readonly quantize: QuantizeOptions
  readonly techniques: readonly Technique[]
  /** always: the techniques are pinned, nothing is dropped but what breaks its bound. */
  readonly keep: 'if-better' | 'always'
  readonly clip: 'hold' | 'exact' | 'auto'
  readonly seed: number
  readonly label: string
  readonly products: RuntimeProducts
  readonly spill?: Spill
  /** Bytes that a training may take. */
  readonly memory?: number
}

/** Where the ladder ends. */
export interface Climbed {
  /** The float model that was quantised in the end. */
  readonly float: Model
  readonly shapes: Shapes
  readonly built: Built
  readonly rungs: readonly RungRow[]
  readonly rewrites: readonly AppliedRewrite[]
  /** The float model before equalisation, when that was kept. */
  readonly beforeEqualization?: Model
  /** The quantisation without any technique. */
  readonly naive: Built
  readonly corrections: readonly LayerCorrection[]
  readonly notes: readonly string[]
  /** What the samples taught: enough to come to the same model without them. */
  readonly learnt: Learnt
}

type Corrected = StoredStatistics['corrections'] | undefined

/** A float model on the way up, with its quantisation. */
interface Standing {
  readonly float: Model
  readonly seen: Observed
  /** How far values reach whose channels were scaled. */
  readonly reach?: WidestReach
  /** What a float model of this form must gain to be kept, in dB. */
  readonly least?: number
  /** As calibrated, before any correction: where rounding starts. */
  readonly plain: Built
  readonly built: Built
  readonly score: Score
}

/** Samples that bias correction walks with, held-back ones included. */
const ENOUGH_FOR_MEANS = 24

/** Climbs from a rewritten float model. */
export async function climb(
  runtime: Runtime,
  model: Model,
  statistics: Statistics,
  samples: CalibrationSamples,
  feeds: Values,
  options: LadderOptions,
): Promise<Climbed> {
  const ladder = new Ladder(runtime, samples, options)
  return ladder.climb(model, statistics, feeds)
}

class Ladder {
  readonly #runtime: Runtime
  readonly #samples: CalibrationSamples
  readonly #options: LadderOptions
  readonly #rungs = new Rungs()
  readonly #rewrites: AppliedRewrite[] = []
  readonly #notes: string[] = []
  #judge: Judge | undefined
  #kept: Learnt['rewrites'] = []
  #folding: Statistics | undefined
  #equalizing: Learnt['equalizing']
  /** As given, with what stays float once that is decided. */
  #quantize: QuantizeOptions

  constructor(runtime: Runtime, samples: CalibrationSamples, options: LadderOptions) {
    this.#quantize = options.quantize
    this.#runtime = runtime
    this.#samples = samples
    this.#options = options
  }

  async climb(given: Model, statistics: Statistics, feeds: Values): Promise<Climbed> {
    const tries = (technique: Technique) => this.#options.techniques.includes(technique)
    this.#step('naive')
    const split = await this.#samples.split()
    const judge = await Judge.of(this.#runtime, given, split)
    this.#judge = judge
    let seen = await observeModel(this.#runtime, given, feeds, randomLike(feeds), this.#options.label)
    let float = given
    if (tries('correct-bias') || tries('optimize-rounding') || tries('tune-bias')) {
      const biases = await this.#check(
        explicitBiases,
        explicitBiases.apply(float, { shapes: seen.shapes, statistics }),
        seen,
      )
      if (biases) {
        ;[float, seen] = [biases.model, biases.seen]
        this.#kept = ['explicit-biases']
      }
    }
    const naive = await this.#build(float, seen)
    this.#rungs.add('naive', true, naive.score, `${judge.samples} held-back samples`)
    let standing = naive
    if (tries('fold-dead-channels')) standing = await this.#fold(standing, statistics)
    let pending: Standing | undefined
    const before = standing
    if (tries('equalize')) {
      const equalized = await this.#equalize(standing)
      if (equalized && this.#keeps(equalized, standing, equalized.least)) standing = equalized
      else pending = equalized
      if (equalized) this.#rungs.add('equalised', !pending, equalized.score, gain(equalized, before))
    }
    if (tries('keep-float')) {
      const spared = await this.#keepFloat(standing)
      if (spared && pending) pending = await this.#build(pending.float, pending.seen)
      if (spared) standing = spared
    }
    let corrections: readonly LayerCorrection[] = []
    if (tries('correct-bias')) {
      const corrected = await this.#correct(standing, false)
      const other = pending ? await this.#correct(pending, false) : undefined
      // Equalisation may only pay once biases are right: both ways are measured.
      if (pending && other && isBetter(other.standing.score, corrected.standing.score, pending.least)) {
        this.#rungs.revise(
          'equalised',
          `kept for what it gives with corrected biases (${gain(other.standing, corrected.standing)})`,
        )
        this.#rungs.add(
          'corrected',
          this.#keeps(other.standing, standing),
          other.standing.score,
          gain(other.standing, pending),
        )
        if (this.#keeps(other.standing, standing)) [standing, corrections] = [other.standing, other.corrections]
      } else {
        const kept = this.#keeps(corrected.standing, standing)
        this.#rungs.add('corrected', kept, corrected.standing.score, gain(corrected.standing, standing))
        if (kept) [standing, corrections] = [corrected.standing, corrected.corrections]
      }
    }
    if (tries('optimize-rounding')) {
      const rounded = await this.#round(standing)
      // With few bits the codes decide, and what equalisation is worth shows only once they are chosen well.
      const other = pending && !this.#rungs.isKept('equalised') ? await this.#round(pending) : undefined
      const wins = other !== undefined && isBetter(other.standing.score, rounded.standing.score, pending?.least)
      const best = wins ? other : rounded
      const kept = this.#keeps(best.standing, standing)
      this.#rungs.add('rounded', kept, best.standing.score, gain(best.standing, standing))
      if (kept && wins)
        this.#rungs.revise(
          'equalised',
          `kept for what it gives with rounded weights (${gain(other.standing, rounded.standing)})`,
        )
      if (kept) [standing, corrections] = [best.standing, best.corrections]
    }
    if (tries('tune-bias')) {
      standing = await this.#tune(standing, given)
    }
    // What was decided stands; codes and refitted weights now learn from the judge's samples too.
    if (this.#holdsBack && this.#rungs.isKept('rounded')) {
      const { built: again, corrections: own } = await this.#walk({ ...standing, built: standing.plain }, true, true)
      standing = { ...standing, built: again }
      corrections = own
      if (this.#rungs.isKept('tuned')) {
        const trained = await this.#train(standing, await tuningSamples(this.#samples, true))
        if ('model' in trained) standing = { ...standing, built: { ...again, model: trained.model } }
      }
    }
    const equalised = this.#rungs.isKept('equalised')
    const { built, corrections: stored } = await this.#onAllSamples(standing)
    standing = { ...standing, built }
    return {
      float: standing.float,
      shapes: standing.seen.shapes,
      built: standing.built,
      rungs: this.#rungs.rows,
      rewrites: this.#rewrites,
      ...(equalised ? { beforeEqualization: before.float } : {}),
      naive: naive.built,
      corrections,
      notes: this.#notes,
      learnt: {
        rewrites: equalised ? [...this.#kept, 'equalize'] : this.#kept,
        ...(this.#folding ? { folding: storedChannels(this.#folding) } : {}),
        ...(equalised && this.#equalizing ? { equalizing: this.#equalizing } : {}),
        ...(this.#quantize.floatValues ? { floatValues: [...this.#quantize.floatValues] } : {}),
        tensors: storedTensors(built.statistics),
        ...(stored ? { corrections: stored } : {}),
      },
    }
  }

  async #fold(standing: Standing, statistics: Statistics): Promise<Standing> {
    this.#step('folded')
    const known = statistics.size > 0 ? statistics : await this.#channelStatistics(standing)
    const folded = await this.#check(
      foldDeadChannels,
      foldDeadChannels.apply(standing.float, { shapes: standing.seen.shapes, statistics: known }),
      standing.seen,
    )
    if (!folded) return standing
    const next = await this.#build(folded.model, folded.seen)
    // Silent channels without weights cost nothing and let every later step see what matters: kept unless it hurts.
    const kept = this.#options.keep === 'always' || !isBetter(standing.score, next.score)
    this.#rungs.add('folded', kept, next.score, gain(next, standing))
    if (!kept) return standing
    this.#kept = [...this.#kept, 'fold-dead-channels']
    if (statistics.size === 0) this.#folding = known
    return next
  }

  async #equalize(standing: Standing): Promise<Standing | undefined> {
    this.#step('equalised')
    const { clip, signal, progress } = this.#options
    const quantize = this.#quantize
    const statistics = await this.#channelStatistics(standing)
    const bits = weightBitsOf(standing.built.plan.placement, standing.float.graph.nodes, quantize)
    const noise = { ...noiseGrids(quantize, bits), signal, progress }
    const { float, seen } = standing
    const timeOf = (value: string) => measureIntegerMin(this.#runtime, seen.shapes.get(value)?.dims ?? [])
    const form = clip === 'auto' ? await capsWorthFreeing(float, seen.shapes, statistics, noise, timeOf) : clip
    if (typeof form !== 'string')
      this.#notes.push(
        `${form.size} ${form.size === 1 ? 'cap was' : 'caps were'} freed for what they gain against the time of an integer Min`,
      )
    this.#equalizing = {
      clip: typeof form === 'string' ? form : [...form],
      channels: storedChannels(statistics),
    }
    const result = await equalize(float, seen.shapes, statistics, { ...noise, clip: form })
    const kind = clip === 'exact' ? 'exact' : 'bounded'
    const boundDb = clip === 'exact' ? EXACT_BOUND_DB : HOLD_BOUND_DB
    const checked = await this.#check({ name: 'equalize', kind, boundDb }, result, standing.seen)
    if (!checked) return undefined
    const reaches = widestReaches(checked.model, result.statistics, checked.seen.shapes, this.#samples.fitting)
    const built = await this.#build(checked.model, checked.seen, (value) =>
      result.scaled.has(value) ? reaches(value) : undefined,
    )
    return { ...built, least: leastOfEqualization(result.scaled, checked.seen.shapes) }
  }

  /** Leaves the few grids float that cost most, where outputs are bad and it pays; undefined when everything stays as it is. */
  async #keepFloat(standing: Standing): Promise<Standing | undefined> {
    if (standing.score.db >= SOUND_DB) return undefined
    this.#step('spared')
    const { signal, progress } = this.#options
    const { float, seen, plain } = standing
    const probe = await this.#samples.few(probeSize(seen.shapes))
    const watch = { signal, progress }
    const choices = await floatChoices(this.#runtime, float, seen.shapes, plain.plan, probe, watch)
    const { best, kept } = await bestChoice(choices, standing.score, async ({ values: floatValues }) => {
      const quantize = { ...this.#quantize, floatValues }
      const built = await buildQuantized(this.#runtime, float, seen.shapes, knownRanges(plain), quantize, watch)
      return { built, score: await this.#score(built) }
    })
    if (!best) {
      this.#rungs.leave('spared', 'no few grids bring most of the noise')
      return undefined
    }
    const { choice, built, score } = best
    const what = `${choice.grids} ${choice.grids === 1 ? 'grid' : 'grids'} less, ${(100 * choice.share).toFixed(1)} % of the multiplications in float`
    this.#rungs.add('spared', kept, score, `${gain(best, standing)}: ${what}`)
    if (!kept) return undefined
    this.#quantize = { ...this.#quantize, floatValues: choice.values }
    return { ...standing, plain: built, built, score }
  }

  async #correct(
    standing: Standing,
    rounding: boolean,
  ): Promise<{ standing: Standing; corrections: readonly LayerCorrection[] }> {
    this.#step(rounding ? 'rounded' : 'corrected')
    const { built, corrections } = await this.#walk(standing, rounding, false)
    return { standing: { ...standing, built, score: await this.#score(built) }, corrections }
  }

  /** One walk over float and quantised model; `everything`: the judge's samples take part. */
  async #walk(
    { float, seen, built }: Standing,
    rounding: boolean,
    everything: boolean,
  ): Promise<{ built: Built; corrections: readonly LayerCorrection[] }> {
    const { products, seed, spill, signal, progress } = this.#options
    const all = await this.#samples.split()
    // Means settle with few samples; codes and refitted weights take all there are.
    const split = rounding ? all : someOf(all, walkSize(seen.shapes, ENOUGH_FOR_MEANS))
    const batches = split.map(({ batch }) => batch.inputs)
    const options = {
      shapes: seen.shapes,
      held: (batch: number) => !everything && split[batch]?.held === true,
      ...(spill ? { spill } : {}),
      signal,
      progress,
    }
    const { model, layers, plan } = rounding
      ? await roundAndCorrect(this.#runtime, float, built.model, built.plan, batches, {
          ...options,
          products,
          seed,
        })
      : { plan: built.plan, ...(await correctBias(this.#runtime, float, built.model, batches, options)) }
    return { built: { ...built, model, plan }, corrections: layers }
  }

  /** Biases trained towards the float outputs; kept when they are better on what judges, which are more samples than elsewhere. */
  async #tune(standing: Standing, given: Model): Promise<Standing> {
    this.#step('tuned')
    const { signal } = this.#options
    const samples = await tuningSamples(this.#samples, false)
    const trained = await this.#train(standing, samples)
    if ('left' in trained) {
      this.#rungs.leave('tuned', trained.left)
      return standing
    }
    const built = { ...standing.built, model: trained.model }
    const tuned = { ...standing, built, score: await this.#score(built) }
    const judge = await Judge.of(this.#runtime, given, samples.judges)
    const before = await judge.score(standing.built.model, { signal })
    const after = await judge.score(built.model, { signal })
    const kept = this.#options.keep === 'always' || isBetter(after, before)
    this.#rungs.add(
      'tuned',
      kept,
      tuned.score,
      `${gain({ score: after }, { score: before })} on ${judge.samples} samples`,
    )
    return kept ? tuned : standing
  }

  #train({ float, built }: Standing, { dataset, indices }: TuningSamples): Promise<TrainedBiases> {
    const { seed, signal, progress, memory } = this.#options
    return trainBiases(this.#runtime, float, built.model, dataset, indices, {
      seed,
      signal,
      progress,
      ...(memory === undefined ? {} : { memory }),
    })
  }

  /** Rounds and corrects from plain codes: a corrected bias would be corrected twice. */
  async #round(standing: Standing): Promise<{ standing: Standing; corrections: readonly LayerCorrection[] }> {
    return this.#correct({ ...standing, built: standing.plain }, true)
  }

  async #build(float: Model, seen: Observed, reach?: WidestReach): Promise<Standing> {
    const { signal, progress } = this.#options
    const quantize = this.#quantize
    const own = reach ? { reach } : {}
    const watch = { signal, progress, ...own }
    const built = await buildQuantized(this.#runtime, float, seen.shapes, this.#fitting, quantize, watch)
    return { float, seen, ...own, plain: built, built, score: await this.#score(built) }
  }

  /** Are there samples that only judge? */
  get #holdsBack(): boolean {
    return this.#samples.fitting < this.#samples.indices.length
  }

  /** Ranges that the judge's samples took no part in: what it has not seen may be clipped, and it must notice. */
  get #fitting(): RangeSource {
    return { samples: this.#samples, withHeld: false }
  }

  /** Once everything is decided, the held-back samples widen the ranges too; and what corrections found is written down. */
  async #onAllSamples({
    float,
    seen,
    reach,
    plain,
    built,
  }: Standing): Promise<{ built: Built; corrections: Corrected }> {
    const { signal, progress } = this.#options
    const quantize = this.#quantize
    if (!this.#holdsBack && built === plain) return { built, corrections: undefined }
    const source = { samples: this.#samples, withHeld: true }
    const watch = { signal, progress, ...(reach ? { reach } : {}) }
    const ranges = await planFor(this.#runtime, float, seen.shapes, source, quantize, watch)
    const found = correctionsIn(built.model, built.plan)
    return {
      built: { ...ranges, ...onRanges(float, found, built.plan, ranges.plan) },
      corrections: storeCorrections(float, found, built.plan, ranges.plan),
    }
  }

  async #score({ model }: Built): Promise<Score> {
    if (!this.#judge) throw new Error('the ladder has no judge yet')
    return this.#judge.score(model, { signal: this.#options.signal })
  }

  async #channelStatistics({ float, seen }: Standing): Promise<Statistics> {
    const { signal, progress } = this.#options
    return channelStatistics(this.#runtime, float, this.#samples.all(false), channelRequests(float, seen.shapes), {
      shapes: seen.shapes,
      total: this.#samples.fitting,
      signal,
      progress,
    })
  }

  /** Proves a rewrite; undefined when it changed nothing or was taken back. */
  async #check(
    rewrite: Parameters<typeof checkRewrite>[1],
    result: RewriteResult,
    seen: Observed,
  ): Promise<{ model: Model; seen: Observed } | undefined> {
    const { signal, label } = this.#options
    const step = await checkRewrite(this.#runtime, rewrite, result, seen, { signal, label })
    this.#rewrites.push(step.applied)
    if (step.applied.refused) this.#notes.push(`${rewrite.name} was taken back: ${step.applied.refused}`)
    return step.seen ? { model: result.model, seen: step.seen } : undefined
  }

  #keeps(candidate: Standing, than: Standing, least?: number): boolean {
    return this.#options.keep === 'always' || isBetter(candidate.score, than.score, least)
  }

  #step(name: string): void {
    throwIfCancelled(this.#options.signal)
    this.#rungs.start()
    const steps = this.#options.techniques.length + 1
    report(this.#options, 'ladder', Math.min(this.#rungs.rows.length, steps), steps, this.#best(name))
  }

  /** What is tried now, and the best so far. */
  #best(name: string): string {
    const kept = this.#rungs.rows.filter((rung) => rung.kept).at(-1)
    return kept?.sqnrDb === undefined || kept.sqnrDb === null
      ? name
      : `${name}; best so far ${kept.name} ${kept.sqnrDb.toFixed(1)} dB`
  }
}
