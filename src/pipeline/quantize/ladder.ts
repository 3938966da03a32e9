// The ladder: naive → folded → equalised → corrected → rounded. Each rung is measured on held-back samples and kept if it helps.
import type { Model, Statistics } from '../../onnx/index.ts'
import type { LayerCorrection } from '../../quantize/index.ts'
import { explicitBiases, observeModel, randomLike } from '../../rewrite/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { CalibrationSamples } from './calibration-samples.ts'
import { Climb } from './climb.ts'
import { correctRung, roundRung, walkUp } from './correct-rung.ts'
import { equalizeRung } from './equalize-rung.ts'
import { foldRung } from './fold-rung.ts'
import { isBetter, Judge } from './judge.ts'
import { gain } from './rungs.ts'
import { onAllSamples } from './settle.ts'
import { spareRung } from './spare-rung.ts'
import type { Climbed, LadderOptions, Standing } from './standing.ts'
import { storedTensors } from './stored-statistics.ts'
import type { Technique } from './techniques.ts'
import { trainUp, tuneRung } from './tune-rung.ts'
import { tuningSamples } from './tuning-samples.ts'

/** Climbs from a rewritten float model. */
export async function climb(
  runtime: Runtime,
  given: Model,
  statistics: Statistics,
  samples: CalibrationSamples,
  feeds: Values,
  options: LadderOptions,
): Promise<Climbed> {
  const climb = new Climb(runtime, samples, options)
  const tries = (technique: Technique) => climb.options.techniques.includes(technique)
  climb.step('naive')
  const split = await climb.samples.split()
  const judge = await Judge.of(climb.runtime, given, split)
  climb.judge = judge
  let seen = await observeModel(climb.runtime, given, feeds, randomLike(feeds), climb.options.label)
  let float = given
  if (tries('correct-bias') || tries('optimize-rounding') || tries('tune-bias')) {
    const biases = await climb.check(
      explicitBiases,
      explicitBiases.apply(float, { shapes: seen.shapes, statistics }),
      seen,
    )
    if (biases) {
      ;[float, seen] = [biases.model, biases.seen]
      climb.kept = ['explicit-biases']
    }
  }
  const naive = await climb.build(float, seen)
  climb.rungs.add('naive', true, naive.score, `${judge.samples} held-back samples`)
  let standing = naive
  if (tries('fold-dead-channels')) standing = await foldRung(climb, standing, statistics)
  let pending: Standing | undefined
  const before = standing
  if (tries('equalize')) {
    const equalized = await equalizeRung(climb, standing)
    if (equalized && climb.keeps(equalized, standing, equalized.least)) standing = equalized
    else pending = equalized
    if (equalized) climb.rungs.add('equalised', !pending, equalized.score, gain(equalized, before))
  }
  if (tries('keep-float')) {
    const spared = await spareRung(climb, standing)
    if (spared && pending) pending = await climb.build(pending.float, pending.seen)
    if (spared) standing = spared
  }
  let corrections: readonly LayerCorrection[] = []
  if (tries('correct-bias')) {
    const corrected = await correctRung(climb, standing, false)
    const other = pending ? await correctRung(climb, pending, false) : undefined
    // Equalisation may only pay once biases are right: both ways are measured.
    if (pending && other && isBetter(other.standing.score, corrected.standing.score, pending.least)) {
      climb.rungs.revise(
        'equalised',
        `kept for what it gives with corrected biases (${gain(other.standing, corrected.standing)})`,
      )
      climb.rungs.add(
        'corrected',
        climb.keeps(other.standing, standing),
        other.standing.score,
        gain(other.standing, pending),
      )
      if (climb.keeps(other.standing, standing)) [standing, corrections] = [other.standing, other.corrections]
    } else {
      const kept = climb.keeps(corrected.standing, standing)
      climb.rungs.add('corrected', kept, corrected.standing.score, gain(corrected.standing, standing))
      if (kept) [standing, corrections] = [corrected.standing, corrected.corrections]
    }
  }
  if (tries('optimize-rounding')) {
    const rounded = await roundRung(climb, standing)
    // With few bits the codes decide, and what equalisation is worth shows only once they are chosen well.
    const other = pending && !climb.rungs.isKept('equalised') ? await roundRung(climb, pending) : undefined
    const wins = other !== undefined && isBetter(other.standing.score, rounded.standing.score, pending?.least)
    const best = wins ? other : rounded
    const kept = climb.keeps(best.standing, standing)
    climb.rungs.add('rounded', kept, best.standing.score, gain(best.standing, standing))
    if (kept && wins)
      climb.rungs.revise(
        'equalised',
        `kept for what it gives with rounded weights (${gain(other.standing, rounded.standing)})`,
      )
    if (kept) [standing, corrections] = [best.standing, best.corrections]
  }
  if (tries('tune-bias')) {
    standing = await tuneRung(climb, standing, given)
  }
  // What was decided stands; codes and refitted weights now learn from the judge's samples too.
  if (climb.holdsBack && climb.rungs.isKept('rounded')) {
    const { built: again, corrections: own } = await walkUp(climb, { ...standing, built: standing.plain }, true, true)
    standing = { ...standing, built: again }
    corrections = own
    if (climb.rungs.isKept('tuned')) {
      const trained = await trainUp(climb, standing, await tuningSamples(climb.samples, true))
      if ('model' in trained) standing = { ...standing, built: { ...again, model: trained.model } }
    }
  }
  const equalised = climb.rungs.isKept('equalised')
  const { built, corrections: stored } = await onAllSamples(climb, standing)
  standing = { ...standing, built }
  return {
    float: standing.float,
    shapes: standing.seen.shapes,
    built: standing.built,
    rungs: climb.rungs.rows,
    rewrites: climb.rewrites,
    ...(equalised ? { beforeEqualization: before.float } : {}),
    naive: naive.built,
    corrections,
    notes: climb.notes,
    learnt: {
      rewrites: equalised ? [...climb.kept, 'equalize'] : climb.kept,
      ...(climb.folding ? { folding: climb.folding } : {}),
      ...(equalised && climb.equalizing ? { equalizing: climb.equalizing } : {}),
      ...(climb.quantize.floatValues ? { floatValues: [...climb.quantize.floatValues] } : {}),
      tensors: storedTensors(built.statistics),
      ...(stored ? { corrections: stored } : {}),
    },
  }
}
