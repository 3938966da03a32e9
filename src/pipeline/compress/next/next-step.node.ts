// What is done with a compressed model afterwards: steps that hand models in memory to each other.
import type { Model } from '../../../onnx/index.ts'
import type { Runtime } from '../../../runtime/index.ts'
import type { FinetuneRun } from '../../finetune.node.ts'
import type { QuantizeRun } from '../../quantize/run.ts'
import type { ShareWatch } from '../../samples.ts'

/** A model and the file that holds it. */
export interface StepModel {
  readonly model: Model
  readonly file: string
}

/** What the steps made of a result. */
export interface StepRuns {
  /** After fine-tuning with the original as teacher. */
  readonly tuned?: FinetuneRun
  readonly quantized?: QuantizeRun
}

export interface NextStep {
  /** Makes another model of one and writes it beside that one's file. */
  readonly run: (
    runtime: Runtime,
    from: StepModel,
    watch: ShareWatch,
  ) => Promise<StepModel & { readonly runs: StepRuns }>
}

/** Runs steps one after the other, each on what the one before it made. */
export async function follow(
  runtime: Runtime,
  steps: readonly NextStep[],
  from: StepModel,
  watch: ShareWatch,
): Promise<StepRuns> {
  let current = from
  let runs: StepRuns = {}
  for (const step of steps) {
    const made = await step.run(runtime, current, watch)
    current = made
    runs = { ...runs, ...made.runs }
  }
  return runs
}
