// What every rung of the ladder shares: the judge, the rows, and how a model is built, scored and proved.
import { report, throwIfCancelled } from '../../base/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { QuantizeOptions } from '../../quantize/index.ts'
import { type AppliedRewrite, checkRewrite, type Observed, type RewriteResult } from '../../rewrite/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { type Built, buildQuantized, type RangeSource, type WidestReach } from './build.ts'
import type { CalibrationSamples } from './calibration-samples.ts'
import { isBetter, type Judge, type Score } from './judge.ts'
import { Rungs } from './rungs.ts'
import type { LadderOptions, SeenChannels, Standing } from './standing.ts'
import type { Learnt } from './stored-statistics.ts'

/** Held-back samples, or values of held-back outputs, that tell a loud grid from one clipped value. */
const ENOUGH_JUDGES = 3
const ENOUGH_VALUES = 4096

/** One climb: given to every rung. */
export class Climb {
  readonly runtime: Runtime
  readonly samples: CalibrationSamples
  readonly options: LadderOptions
  readonly rungs: Rungs = new Rungs()
  readonly rewrites: AppliedRewrite[] = []
  readonly notes: string[] = []
  judge: Judge | undefined
  /** Of the float model that was looked at last. */
  channels: SeenChannels | undefined
  /** As given, with what stays float once that is decided. */
  quantize: QuantizeOptions
  /** What the samples taught so far. */
  kept: Learnt['rewrites'] = []
  folding: Learnt['folding']
  equalizing: Learnt['equalizing']

  constructor(runtime: Runtime, samples: CalibrationSamples, options: LadderOptions) {
    this.quantize = options.quantize
    this.runtime = runtime
    this.samples = samples
    this.options = options
  }

  async build(float: Model, seen: Observed, reach?: WidestReach): Promise<Standing> {
    const { signal, progress } = this.options
    const quantize = this.quantize
    const own = reach ? { reach } : {}
    const watch = { signal, progress, ...own }
    const built = await buildQuantized(this.runtime, float, seen.shapes, this.fitting, quantize, watch)
    return { float, seen, ...own, plain: built, built, score: await this.score(built) }
  }

  /** Are there samples that only judge? */
  get holdsBack(): boolean {
    return this.samples.fitting < this.samples.indices.length
  }

  /** Ranges that the judge's samples took no part in: what it has not seen may be clipped, and it must notice. */
  get fitting(): RangeSource {
    return { samples: this.samples, withHeld: false }
  }

  /** Has the judge seen enough to take a grid away? A network of few samples and few outputs shows one clipped value as a dead grid. */
  get canTell(): boolean {
    return this.judge !== undefined && (this.judge.samples >= ENOUGH_JUDGES || this.judge.values >= ENOUGH_VALUES)
  }

  async score({ model }: Built): Promise<Score> {
    if (!this.judge) throw new Error('the ladder has no judge yet')
    return this.judge.score(model, { signal: this.options.signal })
  }

  /** Proves a rewrite; undefined when it changed nothing or was taken back. */
  async check(
    rewrite: Parameters<typeof checkRewrite>[1],
    result: RewriteResult,
    seen: Observed,
  ): Promise<{ model: Model; seen: Observed } | undefined> {
    const { signal, label } = this.options
    const step = await checkRewrite(this.runtime, rewrite, result, seen, { signal, label })
    this.rewrites.push(step.applied)
    if (step.applied.refused) this.notes.push(`${rewrite.name} was taken back: ${step.applied.refused}`)
    return step.seen ? { model: result.model, seen: step.seen } : undefined
  }

  keeps(candidate: Standing, than: Standing, least?: number): boolean {
    return this.options.keep === 'always' || isBetter(candidate.score, than.score, least)
  }

  step(name: string): void {
    throwIfCancelled(this.options.signal)
    this.rungs.start()
    const steps = this.options.techniques.length + 1
    report(this.options, 'ladder', Math.min(this.rungs.rows.length, steps), steps, this.#best(name))
  }

  /** What is tried now, and the best so far. */
  #best(name: string): string {
    const kept = this.rungs.rows.filter((rung) => rung.kept).at(-1)
    return kept?.sqnrDb === undefined || kept.sqnrDb === null
      ? name
      : `${name}; best so far ${kept.name} ${kept.sqnrDb.toFixed(1)} dB`
  }
}
