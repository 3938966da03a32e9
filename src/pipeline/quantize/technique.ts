// What a technique is: it learns from the evidence there is, applies what it learnt, and can apply it again elsewhere.
import type { z } from 'zod'
import type { ChannelRequest } from '../../calibrate/index.ts'
import type { Model, Shapes } from '../../onnx/index.ts'
import type { Candidate } from './candidate.ts'
import type { SearchContext } from './context.ts'
import type { Score } from './judge.ts'

/** What a technique made of a candidate. */
export interface Tried {
  readonly candidate: Candidate
  /** Is it better by a judgement of its own? Absent: by the score. */
  readonly kept?: boolean
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
  /** Applies what was learnt elsewhere; techniques that correct the quantised model have theirs in common. */
  readonly replay?: (candidate: Candidate, evidence: Evidence, context: SearchContext) => Promise<Candidate>
  /** How evidence is written down and read back. */
  readonly evidence?: z.ZodType<Evidence>
}
