// What is known at the end of a check, as it is and as `--json` prints it.
import type { ModelDifference } from '../../onnx/index.ts'
import { compareJson } from '../compare-json.ts'
import type { CompareRun } from '../compare-run.ts'
import { jsonDb } from '../verdict.ts'
import type { Limit } from './limits.ts'

/** Result of `check`. */
export interface CheckRun extends CompareRun {
  /** Do all limits hold? "undecided": none is broken, and not all are shown to hold. */
  readonly kept: boolean | 'undecided'
  readonly limits: readonly Limit[]
  /** What the two files are made of. */
  readonly difference: ModelDifference
}

/** What `compare` prints, with the limits and what the files are made of. */
export function checkJson(run: CheckRun): Record<string, unknown> {
  return {
    kept: run.kept,
    limits: run.limits.map(({ words: _, value, ...limit }) => ({
      ...limit,
      value: jsonDb(value),
      ...(value === null ? { exact: true } : {}),
    })),
    ...compareJson(run),
    difference: run.difference,
  }
}
