// What techniques share in one search: how candidates are made, scored and proved, where evidence comes from, and the rows so far.
import { RefusedError, report, throwIfCancelled } from '../../base/index.ts'
import type { ChannelStatistics, Model, Statistics } from '../../onnx/index.ts'
import { type AppliedRewrite, checkRewrite, type RewriteResult } from '../../rewrite/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { type Built, buildQuantized, type RangeSource } from './build.ts'
import { type Candidate, type Form, once } from './candidate.ts'
import { isBetter, Judge, type Score } from './judge.ts'
import { Rows } from './rows.ts'
import type { RewriteRule, Rewritten, SearchContext, SearchOptions, Source, Technique } from './technique.ts'

/** Held-back samples, or values of held-back outputs, that tell a loud grid from one clipped value. */
const ENOUGH_JUDGES = 3
const ENOUGH_VALUES = 4096

/** One search, from its first candidate to its last. */
export class RunningSearch implements SearchContext {
  readonly runtime: Runtime
  readonly source: Source
  readonly options: SearchOptions
  readonly rows: Rows = new Rows()
  readonly rewrites: AppliedRewrite[] = []
  readonly notes: string[] = []
  /** The channels that techniques looked at, as they were at first. */
  readonly watched: Map<string, ChannelStatistics> = new Map()
  readonly reference: Model
  ahead: readonly Technique[]
  readonly #judge: Judge | undefined

  private constructor(
    runtime: Runtime,
    { reference, judge }: { readonly reference: Model; readonly judge: Judge | undefined },
    source: Source,
    options: SearchOptions,
  ) {
    this.runtime = runtime
    this.reference = reference
    this.source = source
    this.options = options
    this.ahead = options.techniques
    this.#judge = judge
  }

  static async of(runtime: Runtime, reference: Model, source: Source, options: SearchOptions): Promise<RunningSearch> {
    const { samples, judges } = source
    const judge =
      judges && samples ? await Judge.of(runtime, reference, await samples.split(), options.written) : undefined
    return new RunningSearch(runtime, { reference, judge }, source, options)
  }

  get judge(): Judge {
    if (!this.#judge) throw new Error('this search has no judge')
    return this.#judge
  }

  get judges(): boolean {
    return this.#judge !== undefined
  }

  get holdsBack(): boolean {
    const { samples } = this.source
    return this.judges && samples !== undefined && samples.fitting < samples.indices.length
  }

  /** Has the judge seen enough to take a grid away? A network of few samples and few outputs shows one clipped value as a dead grid. */
  get canTell(): boolean {
    return this.judges && (this.judge.samples >= ENOUGH_JUDGES || this.judge.values >= ENOUGH_VALUES)
  }

  candidate(made: Form, ranges?: RangeSource): Candidate {
    const form = { ...made, float: this.#stow(made.float) }
    const { signal, progress } = this.options
    const plain = once(() => {
      const shaped = { model: form.float, shapes: form.seen.shapes }
      const source = ranges ?? this.source.ranges(form)
      const quantization = { source, options: form.quantize, reach: form.reach }
      return buildQuantized(this.runtime, shaped, quantization, { signal, progress })
    })
    return { ...form, plain, built: plain, score: this.#scoreOf(plain), corrections: [] }
  }

  /** Models of candidates that wait for their turn. */
  #stow(model: Model): Model {
    return this.runtime.stow?.(model) ?? model
  }

  corrected(candidate: Candidate, built: Built, corrections: Candidate['corrections']): Candidate {
    const model = this.#stow(built.model)
    const stowed = model === built.model ? built : { ...built, model }
    const made = async () => stowed
    return { ...candidate, built: made, score: this.#scoreOf(made), corrections }
  }

  #scoreOf(built: () => Promise<Built>): () => Promise<Score> {
    return once(async () => this.judge.score((await built()).model, { signal: this.options.signal }))
  }

  async check(rewrite: RewriteRule, result: RewriteResult, form: Form): Promise<Rewritten | undefined> {
    const { signal, label } = this.options
    // Where nothing real is at hand, that a bounded rewrite runs and keeps shapes must do: its bound was measured on samples.
    const bounded = this.source.proves === 'runs' && rewrite.kind === 'bounded'
    const wanted = bounded ? { ...rewrite, boundDb: Number.NEGATIVE_INFINITY } : rewrite
    const float = this.#stow(result.model)
    const changed = { before: form.seen, result: { ...result, model: float } }
    const step = await checkRewrite(this.runtime, wanted, changed, { signal, label })
    this.rewrites.push(step.applied)
    if (step.applied.refused) this.notes.push(`${rewrite.name} was reverted: ${step.applied.refused}`)
    return step.seen ? { float, seen: step.seen } : undefined
  }

  async repeat(rewrite: RewriteRule, result: RewriteResult, form: Form): Promise<Rewritten> {
    const checked = await this.check(rewrite, result, form)
    if (checked) return checked
    const { label } = this.options
    throw new RefusedError(
      `the statistics cannot be used for ${label}: they were made with ${rewrite.name}, which ${this.rewrites.at(-1)?.refused ?? 'changes nothing here'}; are they of this model?`,
      { file: label },
    )
  }

  async channels(form: Form, technique: Pick<Technique, 'requests'>): Promise<Statistics> {
    const found = await this.source.channels(form, technique.requests?.(form.float, form.seen.shapes) ?? [], this)
    for (const [value, channels] of found) if (!this.watched.has(value)) this.watched.set(value, channels)
    return found
  }

  keeps(now: Score, before: Score, least?: number): boolean {
    return this.options.keep === 'always' || isBetter(now, before, least)
  }

  step(name: string, best?: Score): void {
    throwIfCancelled(this.options.signal)
    this.rows.start()
    if (!this.judges) return
    const steps = this.options.techniques.length + 1
    const far = best && Number.isFinite(best.db) ? `${name}; best so far ${best.db.toFixed(1)} dB` : name
    report(this.options, {
      step: 'techniques',
      done: Math.min(this.rows.all.length, steps),
      total: steps,
      message: far,
    })
  }
}
