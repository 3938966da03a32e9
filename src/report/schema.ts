// The report's shape at run time: it checks a report that is rendered or read back, and fixes the order of its keys.
import * as z from 'zod'
import { InputError } from '../base/index.ts'
import type { Report } from './report.ts'

// JSON has neither NaN nor infinities and would write null, which means an exact match: they travel as words.
const noFigure = z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)
const decibels = z.union([z.number(), z.nan(), z.literal([Infinity, -Infinity]), noFigure]).nullable()
const db = decibels.exactOptional()
const number = z.number().exactOptional()
const text = z.string().exactOptional()
const numbers = z.array(z.number())
const interval = z.object({ low: z.number(), high: z.number() })

const verdict = z.object({
  headline: z.string(),
  tone: z.enum(['good', 'mixed', 'bad', 'dead']),
  points: z.array(
    z.object({
      question: z.enum(['smaller', 'faster', 'as accurate']),
      answer: z.enum(['yes', 'no', 'unclear', 'not measured']),
      text: z.string(),
    }),
  ),
  advice: z.array(z.string()),
})

const metric = z.object({
  name: z.string(),
  value: z.number(),
  interval,
  samples: z.number(),
  unit: text,
  difference: z.object({ value: z.number(), interval }).exactOptional(),
})

const figure = z.object({ value: z.number(), interval, samples: z.number() })

const variant = z.object({
  name: z.string(),
  kept: z.boolean().exactOptional(),
  sizeBytes: number,
  latencyMs: number,
  latencySpreadMs: number,
  metric: metric.exactOptional(),
  agreement: number,
  kl: number,
  similarity: z
    .object({ pooled: figure, byToken: figure.exactOptional(), retrieval: figure.exactOptional() })
    .exactOptional(),
  sqnrDb: db,
  integerLayers: number,
  totalLayers: number,
})

const technique = z.object({
  name: z.string(),
  kept: z.boolean(),
  reason: text,
  sqnrDb: db,
  agreement: number,
  kl: number,
  metric: metric.exactOptional(),
  seconds: number,
})

const channels = z
  .object({ min: numbers, mean: numbers, max: numbers, deviation: numbers.exactOptional(), bucketed: z.number() })
  .exactOptional()

const ranges = z
  .object({
    channels: z.number(),
    fiveNumbers: z.tuple([z.number(), z.number(), z.number(), z.number(), z.number()]),
    outliers: numbers,
    outlierCount: z.number(),
    dead: numbers,
    deadCount: z.number(),
  })
  .exactOptional()

const layer = z.object({
  name: z.string(),
  op: z.string(),
  part: text,
  block: number,
  macs: number,
  parameters: z.number(),
  integer: z.boolean().exactOptional(),
  reason: text,
  kernel: text,
  sqnrDb: db,
  weightGrid: text,
  outputGrid: text,
  naiveSqnrDb: db,
  rangeSpread: number,
  channels,
  channelsAfter: channels,
  ranges,
  rangesAfter: ranges,
  meanShift: z.object({ before: z.number(), after: z.number() }).exactOptional(),
})

const inputChannels = z.object({
  value: z.string(),
  layers: z.array(z.string()),
  channels: z.number(),
  peak: z.number(),
  min: numbers,
  max: numbers,
  bucketed: z.number(),
  apart: numbers,
})

const part = z.object({ part: z.string(), bytes: z.object({ before: z.number(), after: z.number() }) })

const activation = z.object({
  tensor: z.string(),
  dtype: text,
  scale: number,
  zeroPoint: number,
  low: number,
  high: number,
  observedLow: number,
  observedHigh: number,
  reason: z.string(),
  method: text,
  histogram: z.object({ from: z.number(), to: z.number(), counts: numbers }).exactOptional(),
})

const step = z.object({
  name: z.string(),
  kind: z.enum(['exact', 'bounded', 'step']),
  kept: z.boolean(),
  changes: z.array(z.string()),
  skipped: z.array(z.string()).exactOptional(),
  sqnrDb: db,
  randomSqnrDb: db,
  boundDb: number,
  seconds: number,
})

const training = z.object({
  epochs: z.array(
    z.object({ epoch: z.number(), loss: z.number(), score: number, rate: z.number(), seconds: z.number() }),
  ),
  losses: z.array(z.object({ step: z.number(), loss: z.number() })),
  scoreName: text,
  before: number,
  best: number,
})

const compression = z.object({
  cost: z.string(),
  ratios: numbers,
  layers: z.array(
    z.object({
      name: z.string(),
      ratio: z.number(),
      what: z.string(),
      error: z.number(),
      errors: z.array(z.number().nullable()),
      spectrum: z.object({ split: z.string(), errors: numbers, rank: number }).exactOptional(),
      latencyMs: z.object({ before: z.number(), after: z.number() }).exactOptional(),
    }),
  ),
  curve: z.array(
    z.object({
      name: z.string(),
      macs: z.number(),
      sizeBytes: z.number(),
      latencyMs: z.number(),
      activationBytes: number,
      metric: number,
      agreement: number,
      kl: number,
    }),
  ),
})

const analysis = z.object({
  noise: number,
  predicted: number,
  samples: z.number(),
  layers: z.array(
    z.object({
      name: z.string(),
      op: z.string(),
      noise: z.object({ weights: number, activations: number, both: number }),
      blame: number,
      spared: number,
      cause: z.string(),
      detail: z.string(),
      remedy: z.string(),
      bytes: number,
      ms: number,
      damaged: z.boolean().exactOptional(),
      outputs: z.record(z.string(), decibels).exactOptional(),
    }),
  ),
})

/** Checks unknown data; its result has the keys in the order written here. */
export const reportSchema: z.ZodType<Report> = z.object({
  version: z.literal(1),
  command: z.string(),
  title: z.string(),
  createdAt: z.string(),
  verdict,
  facts: z.array(z.object({ label: z.string(), value: z.string() })),
  files: z.array(z.object({ label: z.string(), path: z.string() })).exactOptional(),
  variants: z.array(variant),
  ladder: z.array(technique).exactOptional(),
  outputs: z.record(z.string(), decibels),
  steps: z.array(step),
  layers: z.array(layer),
  activations: z.array(activation),
  inputChannels: z.array(inputChannels).exactOptional(),
  parts: z.array(part).exactOptional(),
  training: training.exactOptional(),
  compression: compression.exactOptional(),
  analysis: analysis.exactOptional(),
  notes: z.array(z.string()),
  environment: z.record(z.string(), z.string()),
  recipe: z.unknown(),
  commandLine: text,
})

/**
 * Checks unknown data as a report. `file` is its name for the error message.
 * @throws InputError naming the first value that is wrong.
 */
export function checkReport(data: unknown, file: string): Report {
  const result = reportSchema.safeParse(data)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const place =
    issue === undefined || issue.path.length === 0 ? 'its top level' : `"${issue.path.map(String).join('.')}"`
  const said = (issue?.message ?? 'a wrong value').replace(/^Invalid input: /, '')
  throw new InputError(
    `cannot read ${file} as a report of version 1: ${place} is wrong (${said}); run the command again to get a fresh one`,
    { file },
    result.error,
  )
}
