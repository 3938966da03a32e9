// Reports for the tests of this module: small ones written by hand, large ones from a formula. Nothing here ships.
import { summarizeRanges } from '../../src/report/range-summary.ts'
import type { ActivationRow, ChannelRows, LayerRow, RangeSummary, Report, VariantRow } from '../../src/report/report.ts'

const float: VariantRow = {
  name: 'float',
  sizeBytes: 1_919_204,
  latencyMs: 1.402,
  latencySpreadMs: 0.031,
  metric: { name: 'top1', value: 0.584, interval: { low: 0.5403, high: 0.6264 }, samples: 500 },
}

/** Top-1 of 500 samples with its interval. */
const top1 = (value: number, low: number, high: number): VariantRow['metric'] & object => {
  return { name: 'top1', value, interval: { low, high }, samples: 500 }
}

/** Three rows: a range that is clipped, a bias that was moved, a sum with two outputs to look at. */
export const analysis: NonNullable<Report['analysis']> = {
  noise: 0.011,
  predicted: 0.0126,
  samples: 8,
  layers: [
    {
      name: 'conv_dw_1',
      op: 'Conv',
      noise: { weights: 0.002, activations: 0.008, both: 0.01 },
      blame: 0.01,
      spared: 0.009,
      cause: 'clipped range',
      detail: '"conv_dw_1" reaches from -4 to 40 on the samples, its grid from 0 to 6',
      remedy: '--overrides with { "conv_dw_1": { "range": [-4, 40] } }',
      bytes: 0,
      ms: 0,
      outputs: { boxes: 19.5, scores: null },
    },
    {
      name: 'head/fc',
      op: 'Gemm',
      noise: { weights: 0.0016, activations: 0, both: 0.0016 },
      blame: 0.0016,
      cause: 'moved bias',
      detail: 'channel 3 of the bias of head/fc reaches 9 times as far as any other',
      remedy: '--exclude head/fc',
      bytes: 1200,
      ms: 0.03,
      damaged: true,
      outputs: { boxes: 28, scores: 31 },
    },
    {
      name: 'add',
      op: 'Add',
      noise: { weights: 0, activations: 0.001, both: 0.001 },
      blame: 0.001,
      cause: 'rounding',
      detail: 'nothing of add stands out',
      remedy: '--overrides with { "add": { "float": true } }',
      bytes: 0,
      ms: 0,
    },
  ],
}

const result: VariantRow = {
  name: 'int8 per-channel',
  kept: true,
  sizeBytes: 560_711,
  latencyMs: 0.9051,
  latencySpreadMs: 0.012,
  metric: {
    name: 'top1',
    value: 0.572,
    interval: { low: 0.5283, high: 0.6147 },
    samples: 500,
    difference: { value: -0.012, interval: { low: -0.031, high: 0.007 } },
  },
  agreement: 0.9321,
  kl: 0.01234,
  sqnrDb: 21.37,
  integerLayers: 3,
  totalLayers: 5,
}

const layers: readonly LayerRow[] = [
  {
    name: 'conv1',
    op: 'Conv',
    macs: 2_709_504,
    parameters: 224,
    integer: true,
    kernel: 'QLinearConv',
    sqnrDb: 31.25,
    weightGrid: 'int8, 8 scales',
    outputGrid: 'uint8 [0, 6]',
    rangeSpread: 3.5,
    channels: {
      min: [-0.5, -0.25, -1, -0.125],
      mean: [0.01, -0.02, 0.5, 0],
      max: [0.5, 0.3, 2, 0.125],
      bucketed: 1,
    },
  },
  { name: 'conv_dw_1', op: 'Conv', macs: 903_168, parameters: 80, integer: true, sqnrDb: 18.04 },
  { name: 'conv_pw_1', op: 'Conv', macs: 1_605_632, parameters: 144, integer: true, sqnrDb: null },
  { name: 'head/fc', op: 'Gemm', macs: 256_000, parameters: 257_000, integer: false, sqnrDb: 24.5, reason: 'excluded' },
  { name: 'tail', op: 'MatMul', macs: 1000, parameters: 1000, integer: false, reason: 'its weight is shared' },
]

const activations: readonly ActivationRow[] = [
  {
    tensor: 'input',
    dtype: 'uint8',
    scale: 0.0078125,
    zeroPoint: 128,
    low: -1,
    high: 0.9922,
    observedLow: -1,
    observedHigh: 1,
    reason: 'enters an integer operator',
    method: 'minmax',
  },
  {
    tensor: 'relu1_out',
    dtype: 'uint8',
    scale: 0.0235294,
    zeroPoint: 0,
    low: 0,
    high: 6,
    observedLow: 0,
    observedHigh: 7.5,
    reason: 'between integer operators',
    method: 'percentile 99.99',
    histogram: { from: 0, to: 7.5, counts: [900, 300, 120, 40, 9, 0, 2, 1] },
  },
  { tensor: 'logits', reason: 'the output of the model stays float' },
]

/** A usual run: smaller, faster, not proven as accurate. */
export const usualReport: Report = {
  version: 1,
  command: 'quantize',
  title: 'mobilenet.onnx → mobilenet.int8.onnx',
  createdAt: '2026-05-01T12:00:00.000Z',
  verdict: {
    headline: 'smaller: yes, faster: yes, as accurate: unclear; 3 of 5 layers run in integers',
    tone: 'mixed',
    points: [
      { question: 'smaller', answer: 'yes', text: '1.92 MB → 560.7 kB (29.2 %)' },
      { question: 'faster', answer: 'yes', text: '1.40 ms → 0.91 ms (1.55×)' },
      {
        question: 'as accurate',
        answer: 'unclear',
        text: 'top1 58.4 % → 57.2 % (−1.2, 95 % −3.1 to +0.7), SQNR 21.4 dB',
      },
    ],
    advice: ['2 of 5 layers run in float; the report says why'],
  },
  facts: [
    { label: 'model', value: 'mobilenet.onnx' },
    { label: 'samples', value: '64 to calibrate on, 500 scored' },
  ],
  variants: [float, result],
  outputs: { logits: 21.37, embedding: null },
  steps: [
    { name: 'name-nodes', kind: 'exact', kept: false, changes: [] },
    {
      name: 'fold-batch-norm',
      kind: 'exact',
      kept: true,
      changes: ['bn1 into conv1', 'bn2 into conv_dw_1'],
      sqnrDb: 131.2,
    },
    {
      name: 'equalize',
      kind: 'bounded',
      kept: false,
      changes: ['conv1, conv_dw_1'],
      skipped: ['tail: no consumer'],
      sqnrDb: 44,
    },
    {
      name: 'insert-qdq',
      kind: 'step',
      kept: true,
      changes: ['int8 weights per-channel'],
      sqnrDb: 21.37,
      seconds: 0.42,
    },
  ],
  layers,
  activations,
  notes: ['scored on 500 samples that calibration did not see', 'pictures were resized with antialiasing'],
  files: [
    { label: 'model', path: 'mobilenet.int8.onnx' },
    { label: 'report', path: 'mobilenet.int8.onnx.report.html' },
  ],
  environment: { CPU: 'Example CPU, 4 threads', 'ONNX Runtime': '1.30.0' },
  recipe: { version: 1, command: 'quantize', model: 'mobilenet.onnx', samples: 64 },
  commandLine: 'onnxpress quantize mobilenet.onnx --data images',
}

/** A model that quantisation destroyed: one layer is pure noise, one holds no numbers any more. */
export const deadReport: Report = {
  ...usualReport,
  verdict: {
    headline: 'DEAD: the quantised model no longer does its job (it agrees with the float model on 0.2 %)',
    tone: 'dead',
    points: [
      { question: 'smaller', answer: 'yes', text: '1.92 MB → 511.3 kB (26.6 %)' },
      { question: 'faster', answer: 'not measured', text: 'not measured' },
      { question: 'as accurate', answer: 'no', text: 'agreement 0.2 %' },
    ],
    advice: ['use --weights per-channel'],
  },
  variants: [
    { name: 'float', sizeBytes: 1_919_204 },
    { name: 'int8', sizeBytes: 511_300, agreement: 0.002, sqnrDb: -Infinity },
  ],
  outputs: { logits: -Infinity, boxes: Number.NaN },
  steps: [],
  layers: [
    { name: 'fine', op: 'Conv', parameters: 10, sqnrDb: 30 },
    { name: 'noise', op: 'Conv', parameters: 10, sqnrDb: -Infinity },
    { name: 'broken', op: 'Gemm', parameters: 10, sqnrDb: Number.NaN },
    { name: 'exact', op: 'Gemm', parameters: 10, sqnrDb: null },
  ],
  activations: [],
}

/** Channel rows from a formula; row 3 is `wide` times as wide as the others, row 5 is dead. */
function channelsOf(rows: number, wide: number, bucketed = 1): ChannelRows {
  const size = (row: number): number => (row === 3 ? wide : row === 5 ? 0 : 1 + 0.2 * Math.sin(row))
  const each = (figure: (size: number, row: number) => number): number[] =>
    Array.from({ length: rows }, (_, row) => Math.fround(figure(size(row), row)))
  return {
    min: each((x) => -x),
    mean: each((x, row) => 0.1 * x * Math.cos(row)),
    max: each((x, row) => x * (1 + 0.1 * Math.sin(2 * row))),
    deviation: each((x) => 0.3 * x),
    bucketed,
  }
}

function rangesOf({ min, max, bucketed }: ChannelRows): RangeSummary {
  const summary = summarizeRanges(min, max)
  return { ...summary, channels: summary.channels * bucketed, outliers: summary.outliers.map((row) => row * bucketed) }
}

function repaired(layer: LayerRow, index: number): LayerRow {
  const [rows, bucketed] = index === 0 ? [8, 1] : [512, 2]
  const [channels, channelsAfter] = [channelsOf(rows, 40, bucketed), channelsOf(rows, 2.2, bucketed)]
  const kept =
    index < 2 ? { channels, channelsAfter, ranges: rangesOf(channels), rangesAfter: rangesOf(channelsAfter) } : {}
  return {
    ...layer,
    ...kept,
    naiveSqnrDb: index === 4 ? null : 12 - 3 * index,
    meanShift: { before: 0.2 - 0.03 * index, after: 0.01 * index },
  }
}

/** A run with all techniques: equalised, corrected, one dropped; layers of 8 and of 1,024 channels before and after. */
export const techniquesReport: Report = {
  ...usualReport,
  ladder: [
    {
      name: 'naive',
      kept: true,
      sqnrDb: -0.3,
      agreement: 0.001,
      kl: 4.2,
      metric: top1(0.001, 0, 0.011),
      seconds: 1.2,
    },
    {
      name: 'folded',
      kept: true,
      reason: '+0.4 dB',
      sqnrDb: 0.1,
      agreement: 0.002,
      kl: 4.1,
      metric: top1(0.002, 0, 0.013),
      seconds: 0.4,
    },
    {
      name: 'equalised',
      kept: true,
      reason: '+16.5 dB',
      sqnrDb: 16.6,
      agreement: 0.84,
      kl: 0.071,
      metric: top1(0.561, 0.517, 0.604),
      seconds: 2.31,
    },
    {
      name: 'absorbed',
      kept: false,
      reason: 'SQNR fell by 1.2 dB',
      sqnrDb: 15.4,
      agreement: 0.82,
      kl: 0.09,
      metric: top1(0.55, 0.506, 0.593),
      seconds: 0.2,
    },
    {
      name: 'corrected',
      kept: true,
      reason: '+4.8 dB',
      sqnrDb: 21.37,
      agreement: 0.9321,
      kl: 0.01234,
      metric: top1(0.572, 0.528, 0.615),
      seconds: 3.1,
    },
  ],
  steps: usualReport.steps.map((step) =>
    step.kind === 'step' || step.changes.length === 0
      ? step
      : { ...step, boundDb: step.kind === 'exact' ? 80 : 38, randomSqnrDb: step.kind === 'exact' ? null : 31.5 },
  ),
  layers: layers.map(repaired),
}

/** The least a run can say: nothing was measured. */
/** An encoder: embeddings, blocks, channels that go apart, size by part. */
export const encoderReport: Report = {
  ...usualReport,
  variants: [
    { name: 'float', sizeBytes: 90_400_000 },
    {
      name: 'int8',
      kept: true,
      sizeBytes: 23_700_000,
      sqnrDb: 24.6,
      similarity: {
        pooled: { value: 0.99876, samples: 32, interval: { low: 0.9987, high: 0.9989 } },
        byToken: { value: 0.9983, samples: 32, interval: { low: 0.9982, high: 0.9984 } },
        retrieval: { value: 0.9375, samples: 32, interval: { low: 0.7985, high: 0.9827 } },
      },
    },
  ],
  outputs: { last_hidden_state: 24.6 },
  layers: [1, 2].flatMap((block): LayerRow[] => [
    { name: `${block}/query`, op: 'MatMul', part: 'attention', block, parameters: 100, macs: 1000, sqnrDb: 20 + block },
    { name: `${block}/dense`, op: 'MatMul', part: 'feed-forward', block, parameters: 400, integer: true, sqnrDb: 30 },
  ]),
  inputChannels: [
    {
      ...{ value: 'x', layers: ['1/query', '1/key'], channels: 4, peak: 24, bucketed: 1, apart: [2] },
      ...{ min: [-1, -1, -3, -1], max: [1, 1, 24, 1] },
    },
  ],
  parts: [
    { part: 'embedding', bytes: { before: 47_700_000, after: 12_000_000 } },
    { part: 'attention', bytes: { before: 14_200_000, after: 3_600_000 } },
  ],
}

export const emptyReport: Report = {
  version: 1,
  command: 'rewrite',
  title: 'a.onnx → b.onnx',
  createdAt: '2026-05-01T12:00:00.000Z',
  verdict: { headline: 'nothing was measured', tone: 'mixed', points: [], advice: [] },
  facts: [],
  variants: [],
  outputs: {},
  steps: [],
  layers: [],
  activations: [],
  notes: [],
  environment: {},
  recipe: null,
}

const someRanges: RangeSummary = {
  channels: 1024,
  fiveNumbers: [1, 1.9, 2, 2.2, 4],
  outliers: [3, 777, 1001],
  outlierCount: 3,
  dead: [],
  deadCount: 0,
}

/** A report on a network with `count` layers, everything measured, names as long as exporters make them. */
export function largeReport(count: number): Report {
  const name = (index: number): string =>
    `/model/stages.${index >> 3}/blocks.${index & 7}/conv_dw/depthwise/Conv_${index}`
  const curve = (row: number, index: number): number => Math.fround(Math.sin(row * 0.7 + index))
  return {
    ...usualReport,
    layers: Array.from({ length: count }, (_, index): LayerRow => {
      const rows = Array.from({ length: 512 }, (_, row) => curve(row, index))
      return {
        name: name(index),
        op: 'Conv',
        macs: 1_000_000 + index * 12_345,
        parameters: 36_928 + index,
        integer: index % 9 !== 0,
        kernel: index % 9 === 0 ? 'Conv' : 'QLinearConv',
        ...(index % 9 === 0 && { reason: `ONNX Runtime has no integer kernel for dilation ${1 + (index % 4)}` }),
        sqnrDb: 40 - 20 * Math.abs(curve(index, 1)),
        weightGrid: 'int8, 1024 scales',
        outputGrid: 'uint8 [-12.34, 56.78]',
        rangeSpread: 1 + (index % 30),
        channels: {
          min: rows.map((x) => -1 - x),
          mean: rows.map((x) => x / 10),
          max: rows.map((x) => 1 + x),
          deviation: rows.map((x) => Math.abs(x)),
          bucketed: 2,
        },
        channelsAfter: {
          min: rows.map((x) => -1 - x / 2),
          mean: rows.map((x) => x / 20),
          max: rows.map((x) => 1 + x / 2),
          deviation: rows.map((x) => Math.abs(x / 2)),
          bucketed: 2,
        },
        ranges: { ...someRanges, dead: [1, 2] },
        rangesAfter: someRanges,
        meanShift: { before: 0.1 + curve(index, 2) / 20, after: 0.01 },
        naiveSqnrDb: 20 - 10 * Math.abs(curve(index, 1)),
      }
    }),
    activations: Array.from(
      { length: 2 * count },
      (_, index): ActivationRow => ({
        tensor: `${name(index)}_output_0`,
        dtype: 'uint8',
        scale: 0.0271163 + index * 1e-5,
        zeroPoint: index % 256,
        low: -12.34,
        high: 56.78,
        observedLow: -13 - (index % 5),
        observedHigh: 55 + (index % 7),
        reason: 'between integer operators',
        method: 'percentile 99.99',
        histogram: {
          from: -18,
          to: 62,
          counts: Array.from({ length: 2048 }, (_, bin) => Math.round(1000 / (1 + (bin % 97)))),
        },
      }),
    ),
  }
}
