// What a technique is: it learns from the evidence there is, applies what it learned, and can apply it again elsewhere; and what it
// is given to do so.
import type { z } from 'zod'
import type { Watch } from '../../base/index.ts'
import type { ChannelRequest, Spill } from '../../calibrate/index.ts'
import type { Model, Shapes, Statistics } from '../../onnx/index.ts'
import type { QuantizeOptions } from '../../quantize/index.ts'
import type { AppliedRewrite, checkRewrite, RewriteResult } from '../../rewrite/index.ts'
import type { Runtime, RuntimeProducts } from '../../runtime/index.ts'
import type { Built, RangeSource } from './build.ts'
import type { CalibrationSamples } from './calibration-samples.ts'
import type { Candidate, Form } from './candidate.ts'
import type { Judge, Score } from './judge.ts'

/** What a technique made of a candidate. */
export interface Tried {
  readonly candidate: Candidate
  /** Is it better by a judgement of its own? Absent: by the score. */
  readonly kept?: boolean
  /** What it must gain to be kept, in dB. Absent: what is more than noise. */
  readonly least?: number
  /** What it gave, where there is more to say than decibels. */
  readonly gained?: string
}

/** What became of a technique; `leftOut` says in words why it could not be tried. */
export type Attempt = Tried | { readonly leftOut: string }

/** One way to a better quantisation. Adding one: its file, its line in `techniques/index.ts`, its test. */
export interface Technique<Evidence = unknown> {
  readonly name: string
  /** As a row of the report: folded, equalised. */
  readonly row: string
  /** Channels that it looks at; those of all techniques still to come are watched in one pass. */
  readonly requests?: (float: Model, shapes: Shapes) => ChannelRequest[]
  /** It writes biases, so every layer needs one of its own first. */
  readonly writesBiases?: boolean
  /** Learns and applies; undefined when there is nothing to do. */
  readonly attempt: (candidate: Candidate, context: SearchContext) => Promise<Attempt | undefined>
  /** Does it also try the candidate that a technique before it made and that was not kept, because it may pay only now? */
  readonly triesRival?: boolean
  /** May what it made pay only once later techniques have run? Then it is carried along as a rival. */
  readonly paysLater?: boolean
  /** When it is kept even if it is not better. */
  readonly keeps?: (now: Score, before: Score) => boolean
  /** Once everything is decided: learns again, from the samples that judged too. */
  readonly relearn?: (candidate: Candidate, context: SearchContext) => Promise<Candidate>
  /** Applies evidence from elsewhere; techniques that correct the quantised model have theirs in common. */
  readonly replay?: (candidate: Candidate, evidence: Evidence, context: SearchContext) => Promise<Candidate>
  /** How evidence is written down and read back. */
  readonly evidence?: z.ZodType<Evidence>
}

/** What a technique is given: how candidates are made, scored and proved, and where evidence comes from. */
export interface SearchContext {
  readonly runtime: Runtime
  readonly source: Source
  readonly options: SearchOptions
  /** The float model that every candidate is compared with. */
  readonly reference: Model
  /** Said of the result; is added to. */
  readonly notes: string[]
  /** What was proved; what a technique does not use in the end it takes out again. */
  readonly rewrites: AppliedRewrite[]
  /** Techniques that have not run yet, the one that runs included. */
  readonly ahead: readonly Technique[]
  /** Are candidates compared? */
  readonly judges: boolean
  /** @throws Error where nothing is judged */
  readonly judge: Judge
  /** Are there samples that only judge? */
  readonly holdsBack: boolean
  /** Has the judge seen enough to take a grid away? */
  readonly canTell: boolean
  /** A candidate that nothing has corrected yet. @param ranges instead of those of the source */
  readonly candidate: (form: Form, ranges?: RangeSource) => Candidate
  /** The same candidate with corrections in its quantised model. */
  readonly corrected: (candidate: Candidate, built: Built, corrections: Candidate['corrections']) => Candidate
  /** Proves a rewrite of a form; undefined when it changed nothing or was reverted. */
  readonly check: (rule: RewriteRule, result: RewriteResult, form: Form) => Promise<Rewritten | undefined>
  /** The same for a rewrite that was kept elsewhere. @throws RefusedError when it does not hold here */
  readonly repeat: (rule: RewriteRule, result: RewriteResult, form: Form) => Promise<Rewritten>
  /** What those channels of a form do that a technique looks at. */
  readonly channels: (form: Form, technique: Pick<Technique, 'requests'>) => Promise<Statistics>
}

/** What a proof asks for. */
export type RewriteRule = Parameters<typeof checkRewrite>[1]
export type Rewritten = Pick<Form, 'float' | 'seen'>

/** Where techniques learn from: samples, what was stored of them, or BatchNormalization's statistics. */
export interface Source {
  /** The samples, where there are any. */
  readonly samples?: CalibrationSamples
  /** Are candidates compared? Without samples there is nothing to compare on, and what holds its bound is kept. */
  readonly judges: boolean
  /** Ranges of a form's activations. */
  readonly ranges: (form: Form) => RangeSource
  /** What some channels of a form do. */
  readonly channels: (form: Form, requests: readonly ChannelRequest[], context: SearchContext) => Promise<Statistics>
  /** Applies a technique by what this source knows. */
  readonly attempt: (technique: Technique, candidate: Candidate, context: SearchContext) => Promise<Attempt | undefined>
  /** What is put on the quantised model in the end. */
  readonly finish?: (candidate: Candidate, context: SearchContext) => Promise<Candidate>
  /** Technique → its evidence when these statistics were made. */
  readonly stored?: Readonly<Record<string, unknown>>
  /** Said of the result. */
  readonly notes: readonly string[]
  /** Are rewrites proved on real samples? Elsewhere a bounded one only has to run and to keep shapes. */
  readonly proves: 'samples' | 'random' | 'runs'
}

export interface SearchOptions extends Watch {
  readonly quantize: QuantizeOptions
  /** In the order in which they are tried. */
  readonly techniques: readonly Technique[]
  /** always: the techniques are pinned, nothing is dropped but what breaks its bound. */
  readonly keep: 'if-better' | 'always'
  readonly clip: 'hold' | 'exact' | 'auto'
  /** accuracy: what stays float may cost what it likes. */
  readonly prefer?: 'speed' | 'size' | 'accuracy'
  readonly seed: number
  readonly label: string
  readonly products: RuntimeProducts
  /** What becomes of a Q/DQ model in its file, which is what is judged; absent: nothing. */
  readonly written?: (model: Model) => Model
  readonly spill?: Spill
  /** Bytes that a training may take. */
  readonly memory?: number
}
