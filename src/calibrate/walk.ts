// The two-stream walk: the float model and the changed one go through the samples side by side, layer by layer.
import { report, type TensorValue, throwIfCancelled, type Watch } from '../base/index.ts'
import type { Model, Shapes } from '../onnx/index.ts'
import type { Runtime, SessionOptions, Values } from '../runtime/index.ts'
import type { Spill } from './live-values.ts'
import { Stream } from './stream.ts'

/** A stop of the walk: a value that both models have, usually the output of a layer. */
export interface Stop {
  readonly name: string
  readonly value: string
  /** Its name in the changed model, when that is another one. */
  readonly changedValue?: string
}

/**
 * What a visitor sees and does at a stop. Values are computed when they are asked for, from what is live: the stop's own
 * value, what it is made of (the layer's input), and what later stops need (the other operand of a residual Add).
 * Lists hold one value a batch.
 */
export interface StopView extends Stop {
  readonly index: number
  readonly count: number
  readonly float: (value: string) => Promise<readonly TensorValue[]>
  readonly changed: (value: string) => Promise<readonly TensorValue[]>
  /** The changed model as it is now. */
  readonly model: Model
  /**
   * The changed stream goes on with another model: a layer replaced, a weight or bias rewritten. What was computed before
   * stays, so only what is not computed yet may differ.
   */
  readonly change: (model: Model) => void
  /** Puts other values into the changed stream: those a corrected layer would have given, so that nothing runs again. */
  readonly replace: (value: string, values: readonly TensorValue[]) => void
}

export interface WalkVisitor {
  readonly visit: (view: StopView) => Promise<void>
}

export interface WalkOptions extends Watch {
  /** In graph order. */
  readonly stops: readonly Stop[]
  readonly batches: readonly Values[]
  readonly visitor: WalkVisitor
  /** Observed shapes of the float model, for the element types of values between stops. */
  readonly shapes: Shapes
  /** Name of the step in progress events; default "walk". */
  readonly step?: string
  /** Is the changed model a Q/DQ model? Then it runs as its simulation, so that nothing fuses across a stop. Default true. */
  readonly simulate?: boolean
  /** Where live values go when they are too large for memory. */
  readonly spill?: Spill
  /** The visitor keeps no values beyond its visit and replaces none: they need not be copied for the next stage. */
  readonly transient?: boolean
}

/**
 * Walks both models through the batches. Each network runs once whatever its depth; only values that later stops need are
 * kept. Stops must be in graph order. If and Loop are opaque nodes between stops.
 * @returns the changed model as the visitor left it
 */
export async function walk(runtime: Runtime, float: Model, changed: Model, options: WalkOptions): Promise<Model> {
  const { stops, batches, visitor, shapes, spill, step = 'walk', transient: handOver = false } = options
  // Float layers between stops may use the fastest kernels there are; in a simulation, values must not change their layout.
  const session: SessionOptions = options.simulate === false ? { optimization: 'all' } : {}
  const targets = stops.map((stop) => stop.value)
  const changedTargets = stops.map((stop) => stop.changedValue ?? stop.value)
  const streams = {
    float: new Stream(runtime, float, batches, { shapes, spill, session, prefix: 'float', handOver }),
    changed: new Stream(runtime, changed, batches, {
      shapes,
      spill,
      session: { ...session, simulate: options.simulate ?? true },
      prefix: 'changed',
      handOver,
    }),
  }
  try {
    for (const [index, stop] of stops.entries()) {
      throwIfCancelled(options.signal)
      report(options, { step, done: index, total: stops.length, message: stop.name })
      streams.float.keepFor(targets.slice(index))
      streams.changed.keepFor(changedTargets.slice(index))
      await visitor.visit({
        ...stop,
        index,
        count: stops.length,
        float: (value) => streams.float.advance(value),
        changed: (value) => streams.changed.advance(value),
        get model() {
          return streams.changed.model
        },
        change: (model) => streams.changed.goOnWith(model),
        replace: (value, values) => streams.changed.replace(value, values),
      })
    }
    report(options, { step, done: stops.length, total: stops.length })
    return streams.changed.model
  } finally {
    await Promise.all([streams.float.close(), streams.changed.close()])
  }
}
