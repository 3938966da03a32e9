// What is known at the end of a deep comparison: what each runtime makes of each piece of a file, and why not all of them the same.
import type { Saturation } from '../../quantize/index.ts'
import { jsonDb } from '../verdict.ts'

/** Why a runtime gives something else than the simulation. */
export type DeepCause =
  /** Pairs of products are added in 16 bits (x64 without VNNI). */
  | 'saturation'
  /** A product with blocks of few bits rounds what it reads to 8 bits. */
  | 'rounded-input'
  /** Another kernel, for a reason that is not known. */
  | 'kernel'

/** A piece in one runtime, against its simulation. */
export interface DeepFigure {
  /** Largest difference in steps of its grid. */
  readonly steps: number
  /** Share of values that are another code. */
  readonly share: number
  /** Where it gives floats; null for an exact match. */
  readonly sqnrDb?: number | null
  /** More than a rounding tie? */
  readonly differs: boolean
}

/** A piece of the file: a layer with what belongs to it, or operators between two grids. */
export interface DeepLayer {
  readonly name: string
  readonly op: string
  /** Nodes that multiply with a weight. */
  readonly nodes: readonly string[]
  /** Name of the runtime → what it gave. */
  readonly runtimes: Readonly<Record<string, DeepFigure>>
  readonly cause?: DeepCause
  /** What saturates on x64 without VNNI, here or elsewhere; absent where nothing does. */
  readonly saturation?: Saturation & { readonly steps?: number }
}

export interface DeepRun {
  /** Name → version. */
  readonly runtimes: Readonly<Record<string, string>>
  readonly samples: number
  readonly layers: readonly DeepLayer[]
  /** Runtime → output → SQNR in dB of the whole file against its simulation; null for an exact match. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, number | null>>>>
  /** The repaired file, where one was asked for and there was something to repair. */
  readonly repaired?: { readonly output: string; readonly layers: readonly string[]; readonly still: readonly string[] }
}

/** Pieces that differ somewhere by more than a rounding tie. */
export function differing({ layers }: DeepRun): DeepLayer[] {
  return layers.filter(({ runtimes }) => Object.values(runtimes).some(({ differs }) => differs))
}

/** As `--json` prints it. */
export function deepJson(run: DeepRun): Record<string, unknown> {
  const figure = ({ sqnrDb, ...rest }: DeepFigure) => ({
    ...rest,
    ...(sqnrDb === undefined ? {} : { sqnrDb: jsonDb(sqnrDb) }),
  })
  return {
    ...run,
    layers: run.layers.map(({ runtimes, ...layer }) => ({
      ...layer,
      differs: Object.values(runtimes).some(({ differs }) => differs),
      runtimes: Object.fromEntries(Object.entries(runtimes).map(([name, each]) => [name, figure(each)])),
    })),
    outputs: Object.fromEntries(
      Object.entries(run.outputs).map(([name, each]) => [
        name,
        Object.fromEntries(Object.entries(each).map(([output, db]) => [output, jsonDb(db)])),
      ]),
    ),
  }
}

/** Does it saturate by more than a rounding tie, here or on a processor that has no other kernel? */
export function saturatesBadly({ cause, saturation }: DeepLayer): boolean {
  return cause === 'saturation' || (cause === undefined && saturation !== undefined && (saturation.steps ?? 2) > 1)
}
