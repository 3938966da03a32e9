// Weights in blocks: which codes they get – the nearest, those on half-quadratic grids, or those of second order – by what judges.
import { report } from '../../base/index.ts'
import type { Spill } from '../../calibrate/index.ts'
import type { Layer, Model } from '../../onnx/index.ts'
import { type BlockedWeight, type BlockFormat, hqqGrids, plainBlocks, roundBlocked } from '../../quantize/index.ts'
import { runtimeProducts } from '../../runtime/index.ts'
import { isBetter, type Judge } from './judge.ts'
import type { ModeJob } from './mode.ts'
import { gain, type Rows } from './rows.ts'

/** Weights as they are written. */
export type Blocked = ReadonlyMap<Layer, BlockedWeight>

/** What judges codes: a model with blocked weights, and its score on held-back samples. */
export interface CodeJudge {
  readonly judge: Judge
  readonly rows: Rows
  readonly write: (weights: Blocked) => Model
}

/** Codes without samples: those that the recipe names, or the nearest. */
export function codesOfWeights({ recipe }: ModeJob, formats: ReadonlyMap<Layer, BlockFormat>): Blocked {
  return plainBlocks(formats, ...(recipe.rounding === 'hqq' ? [hqqGrids] : []))
}

/** The nearest codes, or others where they are better on what judges. */
export async function judgedCodes(
  job: ModeJob,
  formats: ReadonlyMap<Layer, BlockFormat>,
  { judge, rows, write }: CodeJudge,
  spill: Spill | undefined,
): Promise<Blocked> {
  const { recipe, watch } = job
  report(watch, { step: 'techniques', done: 0, total: 1 })
  rows.start()
  const plain = plainBlocks(formats)
  const before = await judge.score(write(plain), watch)
  rows.add('naive', true, before, `${judge.samples} held-back samples`)
  const how = recipe.rounding ?? (recipe.weightBits === 4 ? 'gptq' : 'plain')
  if (how === 'plain') return plain
  rows.start()
  const others = how === 'hqq' ? plainBlocks(formats, hqqGrids) : await bySecondOrder(job, formats, spill)
  const after = await judge.score(write(others), watch)
  const kept = isBetter(after, before)
  rows.add(how === 'hqq' ? 'hqq' : 'rounded', kept, after, gain(after, before))
  return kept ? others : plain
}

async function bySecondOrder(
  job: ModeJob,
  formats: ReadonlyMap<Layer, BlockFormat>,
  spill: Spill | undefined,
): Promise<Blocked> {
  const { runtime, recipe, model, shapes, watch, notes } = job
  const products = runtimeProducts(runtime)
  try {
    const split = await job.material.samples.split()
    const batches = split.map(({ batch }) => batch.inputs)
    const rounded = await roundBlocked(runtime, model, formats, {
      batches,
      shapes,
      products,
      seed: recipe.seed,
      validation: (batch) => split[batch]?.validation === true,
      ...(spill ? { spill } : {}),
      ...watch,
    })
    const nearest = [...rounded.values()].filter(({ how }) => how === 'plain').length
    if (nearest > 0)
      notes.push(
        `${nearest} of ${rounded.size} layers keep the nearest codes: on held-back rows second-order rounding did not give a better output`,
      )
    return new Map([...rounded].map(([layer, { weight }]) => [layer, weight]))
  } finally {
    await products.close()
  }
}
