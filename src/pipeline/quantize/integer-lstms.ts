// LSTMs in integers where outputs keep 20 dB: what a cell remembers adds its noise to every step that follows, so all of it is measured.
import { report } from '../../base/index.ts'
import type { Model } from '../../onnx/index.ts'
import { nodeName } from '../../onnx/index.ts'
import { quantizableLstms, selector, withDynamicLstms } from '../../quantize/index.ts'
import { worstOutput } from '../verdict.ts'
import { Judge } from './judge.ts'
import { type ModeJob, needsSamples, type Produced } from './mode.ts'

/** An LSTM stays float where the outputs would have less, dB. */
const LEAST_DB = 20
/** What LSTMs may lose together where the outputs have less without them, dB. */
const MOST_LOST_DB = 0.5

/** The result of a mode with those LSTMs as DynamicQuantizeLSTM that held-back samples allow: all of them, or as many as one by one pass. */
export async function withIntegerLstms(job: ModeJob, produced: Produced): Promise<Produced> {
  const { runtime, recipe, model, material, notes, watch } = job
  const names = chosenLstms(job, produced.quantized)
  if (names.length === 0) return produced
  if (!needsSamples(recipe) || recipe.effort === 'fast') {
    notes.push(`${counted(names)} float: whether integers do in them is measured on samples, and none were looked at`)
    return produced
  }
  report(watch, { step: 'lstm', done: 0, total: names.length })
  const judge = await Judge.of(runtime, model, await material.samples.split())
  const dbOf = async (chosen: readonly string[]) => {
    const { comparison } = await judge.score(withDynamicLstms(produced.quantized, chosen), watch)
    return worstOutput(comparison)?.db ?? Number.POSITIVE_INFINITY
  }
  const least = Math.min(LEAST_DB, (await dbOf([])) - MOST_LOST_DB)
  const kept = (await dbOf(names)) >= least ? names : await oneByOne(names, dbOf, least)
  const left = names.filter((name) => !kept.includes(name))
  if (kept.length > 0)
    notes.push(
      `${kept.length === 1 ? '1 LSTM has' : `${kept.length} LSTMs have`} integer weights and take the range of inputs and states from each run (DynamicQuantizeLSTM): ${kept.join(', ')}`,
    )
  if (left.length > 0)
    notes.push(
      `${counted(left)} float: with integers the outputs have less than ${least.toFixed(1)} dB: ${left.join(', ')}`,
    )
  return kept.length > 0 ? { ...produced, quantized: withDynamicLstms(produced.quantized, kept) } : produced
}

async function oneByOne(
  names: readonly string[],
  dbOf: (chosen: readonly string[]) => Promise<number>,
  least: number,
): Promise<readonly string[]> {
  let kept: readonly string[] = []
  if (names.length > 1)
    for (const name of names) {
      const more = [...kept, name]
      if ((await dbOf(more)) >= least) kept = more
    }
  return kept
}

/** Those of the result that the recipe's patterns, which speak of the float model, let through. */
function chosenLstms({ recipe, model }: ModeJob, quantized: Model): string[] {
  const { nodes } = model.graph
  const all = new Set(quantizableLstms(quantized))
  const fits = (patterns: readonly string[], option: string) =>
    patterns.length > 0 ? selector(patterns, nodes, option) : undefined
  const [excluded, only] = [fits(recipe.exclude, '--exclude'), fits(recipe.only, '--only')]
  return nodes
    .filter((node) => all.has(nodeName(node)) && !excluded?.(node) && (only?.(node) ?? true))
    .map((node) => nodeName(node))
}

const counted = (names: readonly string[]): string =>
  names.length === 1 ? '1 LSTM stays' : `${names.length} LSTMs stay`
