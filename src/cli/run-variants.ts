// Runs `variants` and prints one table, with which file to take for what.
import { basename } from 'node:path'
import { RefusedError } from '../base/index.ts'
import type { Variant, VariantsRun } from '../pipeline/index.node.ts'
import type { VariantsRecipe } from '../pipeline/index.ts'
import { printJson, printLines, type RecipeFlags, withRuntime } from './session.ts'
import { aligned } from './table.ts'

/** @throws RefusedError when a form that was asked for was not written, after the table that says why */
export async function runVariants(recipe: VariantsRecipe, flags: RecipeFlags): Promise<void> {
  const { writeVariants, variantAdvice, variantsJson } = await import('../pipeline/index.node.ts')
  const run = await withRuntime(flags, (runtime, watch) => writeVariants(runtime, recipe, watch))
  const advice = variantAdvice(run)
  if (flags.json) printJson(variantsJson(run, advice))
  else printLines(await linesOf(run, advice))
  const missing = run.variants.filter(({ written }) => !written)
  if (missing.length > 0)
    throw new RefusedError(
      `${missing.length} of ${run.variants.length} files ${missing.length === 1 ? 'was' : 'were'} not written: ${missing.map(({ file }) => basename(file)).join(', ')}`,
    )
}

async function linesOf(
  { variants, float, runtimes, notes }: VariantsRun,
  advice: readonly string[],
): Promise<string[]> {
  const { formatBytes, formatMs } = await import('../report/index.ts')
  const shown = {
    share: (value: number | undefined) => (value === undefined ? '' : `${(100 * value).toFixed(1)} %`),
    cosine: (value: number | undefined) => (value === undefined ? '' : value.toFixed(4)),
    db: ({ sqnrDb }: Variant) => (sqnrDb === undefined ? '' : sqnrDb === null ? 'exact' : `${sqnrDb.toFixed(1)} dB`),
    size: (bytes: number | undefined) => (bytes === undefined ? '' : formatBytes(bytes)),
    times: (latencyMs: Variant['latencyMs'], loads: Variant['loads'] = {}) =>
      runtimes.map((runtime) => {
        const ms = latencyMs[runtime]
        return `${ms === undefined ? '–' : formatMs(ms)}${typeof loads[runtime] === 'string' ? ' ✖' : ''}`
      }),
  }
  const writes = variants.some(({ tokenErrorRate }) => tokenErrorRate !== undefined)
  const errors = ({ tokenErrorRate }: Variant) => (writes ? [shown.share(tokenErrorRate)] : [])
  const before = float.map((each) => [
    ...['float', basename(each.file), shown.size(each.sizeBytes), '', ...(writes ? [''] : []), '', ''],
    ...shown.times(each.latencyMs),
    '',
  ])
  const rows = variants.map((each) => [
    ...[each.dtype, basename(each.file), shown.size(each.sizeBytes)],
    ...[shown.share(each.agreement), ...errors(each), shown.cosine(each.cosine), shown.db(each)],
    ...shown.times(each.latencyMs, each.loads),
    each.written ? '' : 'not written',
  ])
  const header = [
    'dtype',
    'file',
    'size',
    'agreement',
    ...(writes ? ['token errors'] : []),
    'cosine',
    'SQNR',
    ...runtimes,
    '',
  ]
  const why = variants.flatMap(({ file, written, reason, loads }) => [
    ...(reason === undefined ? [] : [`${basename(file)} is not written: ${reason}`]),
    ...(written
      ? Object.entries(loads).flatMap(([name, how]) =>
          how === true ? [] : [`${basename(file)} is not for ${name}: ${how}`],
        )
      : []),
  ])
  return [
    ...aligned(header, [...before, ...rows]),
    ...(why.length + advice.length > 0 ? [''] : []),
    ...why,
    ...advice,
    ...notes.map((note) => `note: ${note}`),
  ]
}
