// Every command over models of many kinds: does it still write the same bytes? Each run of bench/recorded-runs.json is a child
// process in a folder of its own; the SHA-256 of every file that it makes is compared with the one in the list.
// Usage: node --import tsx bench/recorded-runs.ts [--only WORD] [--checkout DIR] [--keep DIR] [--jobs N]
//   --update [--why TEXT]   write the sums into the list; a sum that changed needs the reason
//   --checkout DIR          run the command line of another checkout, which is built
//   --keep DIR              leave what was made there
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { manifestEntries, sharedFolder } from '../test/support/manifest.ts'
import { compareSums, describeMachine, type List, type Run, readList, writeList } from './recorded/list.ts'
import { makeModels } from './recorded/made-models.ts'
import { type Performed, type Place, perform, sumsOf } from './recorded/perform.ts'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    checkout: { type: 'string', default: '.' },
    keep: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    update: { type: 'boolean', default: false },
    why: { type: 'string' },
  },
})
const list = readList()
const folder = options.keep ? resolve(options.keep) : mkdtempSync(join(tmpdir(), 'onnxpress-recorded-'))
mkdirSync(folder, { recursive: true })
try {
  const place = await furnish(folder)
  const runs = chosen(list)
  settle(await performAll(runs, place))
} finally {
  if (!options.keep) rmSync(folder, { recursive: true })
}

/** The folders that runs read from: models of the project, of the demo and, where it is there, shared material. */
async function furnish(work: string): Promise<Place> {
  const made = join(work, 'made')
  await makeModels(made)
  const preprocess = join(work, 'preprocess')
  mkdirSync(preprocess, { recursive: true })
  for (const entry of manifestEntries())
    if (entry.preprocess && 'scale' in entry.preprocess)
      writeFileSync(
        join(preprocess, `${basename(entry.file, '.onnx')}.json`),
        JSON.stringify(entry.preprocess, null, 2),
      )
  const links = { made, preprocess, demo: resolve('demo'), shared: resolve(sharedFolder) }
  return { checkout: options.checkout, links, inputs: list.inputs }
}

function chosen({ runs, inputs }: List): Run[] {
  const wanted = runs.filter(
    ({ name, commands }) =>
      options.only.length === 0 || options.only.some((word) => `${name} ${commands.join(' ')}`.includes(word)),
  )
  if (existsSync(sharedFolder)) return wanted
  const reads = (line: string) => line.split(' ').some((word) => (inputs[word.slice(1)] ?? word).includes('shared/'))
  const able = wanted.filter(({ commands }) => !commands.some(reads))
  console.error(`no folder ${sharedFolder}: ${wanted.length - able.length} of ${wanted.length} runs are skipped`)
  return able
}

async function performAll(runs: readonly Run[], place: Place): Promise<Map<Run, Performed>> {
  const results = new Map<Run, Performed>()
  const waiting = [...runs]
  const worker = async () => {
    for (let run = waiting.shift(); run; run = waiting.shift()) {
      const result = await perform(run, join(folder, 'runs', run.name.replaceAll(/\W+/g, '-')), place)
      results.set(run, result)
      console.error(`${run.name}: ${result.seconds.toFixed(1)} s`)
    }
  }
  await Promise.all(Array.from({ length: Number(options.jobs) }, worker))
  return new Map(runs.flatMap((run) => (results.has(run) ? [[run, results.get(run) as Performed]] : [])))
}

/** Compares with the list, or writes it. */
function settle(performed: ReadonlyMap<Run, Performed>): void {
  const made = compareSums('made for these runs', list.made, sumsOf(join(folder, 'made')), options.why)
  const differences = [...made.differences]
  const runs = list.runs.map((run): Run => {
    const result = performed.get(run)
    if (!result) return run
    const { files, differences: found } = compareSums(run.name, run.files, result.files, options.why)
    differences.push(...found)
    if (result.exit !== (run.exit ?? 0))
      differences.push(`${run.name}: exit code was ${run.exit ?? 0}, is ${result.exit}: ${result.said.trim()}`)
    return { name: run.name, commands: run.commands, ...(result.exit === 0 ? {} : { exit: result.exit }), files }
  })
  if (!options.update) {
    report(differences)
    return
  }
  const changed = differences.filter((line) => !line.endsWith(' is new'))
  for (const line of differences) console.log(line)
  if (changed.length > 0 && options.why === undefined && list.runs.some(({ files }) => Object.keys(files).length > 0)) {
    console.log('not written: what was recorded has changed; say why with --why TEXT')
    process.exitCode = 1
    return
  }
  writeList({ ...list, machine: describeMachine(), made: made.files, runs })
}

function report(differences: readonly string[]): void {
  for (const line of differences) console.log(line)
  console.log(differences.length === 0 ? 'the same' : `${differences.length} differences`)
  const machine = describeMachine()
  const other = Object.keys(list.machine).filter((key) => list.machine[key] !== machine[key])
  if (differences.length > 0 && other.length > 0)
    console.log(
      `The list was recorded elsewhere, and float sums may differ with it: ${other.map((key) => `${key} ${list.machine[key]}, here ${machine[key]}`).join('; ')}. Compare two checkouts on one machine instead.`,
    )
  process.exitCode = differences.length === 0 ? 0 : 1
}
