// Losses as terms that add ordinary nodes: the same gradient rules take them back.
import { intAttr, Tensor } from '../../onnx/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { meanOfSamples } from './mean-of-samples.ts'

/** What a term can build on. All values are in the graph; inputs are added when a term asks for them. */
export interface LossSite {
  readonly g: Emitter
  /** Scores before a final Softmax, as rows [rows, classes]. */
  readonly logits: () => string
  /** The class of each row, int64 [rows]. */
  readonly labels: () => string
  /** How much each row counts, [rows]: 0 for padding and for positions without a label. */
  readonly rowWeight: () => string
  /** How much each sample counts, [batch]. */
  readonly sampleWeight: () => string
  /** A value of the model that is trained. */
  readonly value: (name: string) => string
  /** The same value of the teacher, as an input of the graph; of the shape of `like`, where this model calls it something else. */
  readonly teacher: (name: string, like?: string) => string
  /** The teacher's scores, as rows. */
  readonly teacherLogits: () => string
  /** The first output. */
  readonly output: string
  /** All float outputs that hold rows of samples. */
  readonly outputs: readonly string[]
}

/** A term of the loss: its value is a scalar. */
export interface LossTerm {
  readonly name: string
  readonly weight: number
  readonly build: (site: LossSite) => string | Promise<string>
}

export interface CrossEntropyOptions {
  readonly weight?: number
  /** Share of the target spread over all classes. */
  readonly smoothing?: number
}

/** −Σ p·logSoftmax(z) averaged over the rows that count; p the label's one-hot vector, smoothed. */
export function crossEntropy({ weight = 1, smoothing = 0 }: CrossEntropyOptions = {}): LossTerm {
  return {
    name: 'cross-entropy',
    weight,
    build: ({ g, logits, labels, rowWeight }) => {
      const scores = logits()
      const classes = g.dims(scores)[1] ?? 1
      const off = smoothing / classes
      const depth = g.constant(Tensor.from('int64', [], [classes]))
      const hot = g.add('OneHot', [labels(), depth, g.floats([2], [off, 1 - smoothing + off])], g.dims(scores), {
        axis: intAttr(-1),
      })
      return softCrossEntropy(g, scores, hot, rowWeight())
    },
  }
}

function softCrossEntropy(g: Emitter, scores: string, target: string, rowWeight: string): string {
  const log = g.unary('LogSoftmax', scores, { axis: intAttr(1) })
  return g.unary('Neg', weightedMean(g, g.sum(g.times(log, target), [1]), rowWeight))
}

/** Σ w·x / Σ w. */
function weightedMean(g: Emitter, x: string, weight: string): string {
  return g.over(g.sum(g.times(x, weight), [0]), g.sum(weight, [0]))
}

/** τ²·KL(softmax(z_teacher/τ) ‖ softmax(z/τ)) averaged over the rows (arXiv 1503.02531, section 2.1). */
export function distillation({
  weight = 1,
  temperature = 1,
}: {
  weight?: number
  temperature?: number
} = {}): LossTerm {
  return {
    name: 'distillation',
    weight,
    build: ({ g, logits, teacherLogits, rowWeight }) => {
      const own = g.unary('LogSoftmax', g.scaled(logits(), 1 / temperature), { axis: intAttr(1) })
      const cool = g.scaled(teacherLogits(), 1 / temperature)
      const target = g.unary('Softmax', cool, { axis: intAttr(1) })
      const gap = g.minus(g.unary('LogSoftmax', cool, { axis: intAttr(1) }), own)
      return g.scaled(weightedMean(g, g.sum(g.times(target, gap), [1]), rowWeight()), temperature ** 2)
    },
  }
}

/** Mean square distance to the teacher of a value: of the first output, or of a chosen inner tensor. */
export function meanSquare({ weight = 1, value }: { weight?: number; value?: string } = {}): LossTerm {
  return {
    name: value === undefined ? 'mse' : `mse of ${value}`,
    weight,
    build: ({ g, value: own, teacher, sampleWeight, output }) => {
      const name = value ?? output
      const gap = g.minus(own(name), teacher(name))
      return meanOfSamples(g, g.times(gap, gap), sampleWeight(), name)
    },
  }
}

/** Mean square distance to the teacher of all outputs, each in units of the teacher's mean square: none outshouts the others. */
export function outputSquares(): LossTerm {
  return {
    name: 'mse of the outputs',
    weight: 1,
    build: ({ g, value, teacher, sampleWeight, outputs, output }) => {
      const names = outputs.length > 0 ? outputs : [output]
      const parts = names.map((name) => {
        const expected = teacher(name)
        const gap = g.minus(value(name), expected)
        const own = meanOfSamples(g, g.times(gap, gap), sampleWeight(), name)
        const power = meanOfSamples(g, g.times(expected, expected), sampleWeight(), name)
        return g.over(own, g.plus(power, g.scalar(LEAST_POWER)))
      })
      return g.scaled(
        parts.reduce((sum, part) => g.plus(sum, part)),
        1 / parts.length,
      )
    },
  }
}

/** An output that is always 0 is not divided by. */
const LEAST_POWER = 1e-12
