// The list of recorded runs as it stands in bench/recorded-runs.json: command lines, and what each leaves behind.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cpuFlags, saturates } from '../../src/runtime/index.node.ts'

/** A file that a run made. */
export interface Sum {
  readonly sha256: string
  readonly bytes: number
}

/** The same in the list; one that changed on purpose says what it was when it was first recorded, and why it changed. */
export interface RecordedSum extends Sum {
  readonly was?: string
  readonly why?: string
}

export interface Run {
  readonly name: string
  /** Command lines, run one after the other in one folder; `@word` stands for `inputs[word]`. */
  readonly commands: readonly string[]
  /** Exit code of the last command; 0 where it is not given. */
  readonly exit?: number
  /** Path below the folder → what was made there. */
  readonly files: Readonly<Record<string, RecordedSum>>
}

export interface List {
  readonly machine: Readonly<Record<string, string>>
  readonly notes: readonly string[]
  /** What `@word` in a command line stands for: a model and the samples that belong to it. */
  readonly inputs: Readonly<Record<string, string>>
  /** Models and samples that the project makes for these runs. */
  readonly made: Readonly<Record<string, RecordedSum>>
  readonly runs: readonly Run[]
}

const file = join(import.meta.dirname, '..', 'recorded-runs.json')

export function readList(): List {
  return JSON.parse(readFileSync(file, 'utf8')) as List
}

export function writeList(list: List): void {
  writeFileSync(file, `${JSON.stringify(list, null, 2)}\n`)
  execFileSync(join('node_modules', '.bin', 'biome'), ['format', '--write', file], { stdio: 'ignore' })
}

/** What the bytes of a float sum may depend on. */
export function describeMachine(): Record<string, string> {
  const version = (name: string) =>
    (JSON.parse(readFileSync(join('node_modules', name, 'package.json'), 'utf8')) as { version: string }).version
  return {
    architecture: process.arch,
    'CPU flags': cpuFlags().join(' ') || 'unknown',
    'byte products': saturates() ? 'saturate (no VNNI)' : 'exact (VNNI)',
    'Node.js': process.version,
    'onnxruntime-node': version('onnxruntime-node'),
    sharp: version('sharp'),
  }
}

/** The new sums beside the old ones, and how they differ, a line each. A changed one takes `why`. */
export function compareSums(
  where: string,
  recorded: Readonly<Record<string, RecordedSum>>,
  sums: Readonly<Record<string, Sum>>,
  why: string | undefined,
): { readonly files: Record<string, RecordedSum>; readonly differences: string[] } {
  const files: Record<string, RecordedSum> = {}
  const differences: string[] = []
  for (const name of Object.keys(recorded)) if (!sums[name]) differences.push(`${where}: ${name} is not made any more`)
  for (const [name, sum] of Object.entries(sums)) {
    const old = recorded[name]
    if (old?.sha256 === sum.sha256) {
      files[name] = old
      continue
    }
    files[name] = !old
      ? sum
      : { ...sum, was: old.was ?? old.sha256, why: [old.why, why].filter((text) => text !== undefined).join('; ') }
    differences.push(old ? `${where}: ${name} was ${show(old)}, is ${show(sum)}` : `${where}: ${name} is new`)
  }
  return { files, differences }
}

const show = ({ sha256, bytes }: Sum) => `${sha256.slice(0, 12)} (${bytes} bytes)`
