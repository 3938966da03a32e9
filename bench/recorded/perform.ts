// One recorded run: its command lines as child processes of `bin/onnxpress.js` in a folder of their own, and the sums of all
// files that they leave there.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Run, Sum } from './list.ts'

export interface Place {
  /** The checkout whose command line is run. */
  readonly checkout: string
  /** Name in the folder of a run → what it links to. */
  readonly links: Readonly<Record<string, string>>
  readonly inputs: Readonly<Record<string, string>>
}

export interface Performed {
  readonly exit: number
  readonly files: Record<string, Sum>
  /** What the last command said on stderr. */
  readonly said: string
  readonly seconds: number
}

/** Commands that write no file: what they print as JSON is recorded in its stead. */
const printing = new Set(['inspect', 'evaluate', 'compare'])
/** Commands that run a model; one thread, so that runs beside each other do not share cores. */
const threaded = new Set(['quantize', 'compress', 'rewrite', 'finetune', 'evaluate', 'compare'])
/** What is measured, is told to people, or says when and where: never the same twice. */
const left = /(^|\/)(events\.jsonl|status\.json|report\.(json|html|md)|[^/]*\.report\.html|cache)(\/|$)/
/** The same in what is printed. */
const measured = /latency|seconds|Ms$/i

/** Runs the commands in `folder`, which is made; stops at the first that fails. */
export async function perform({ commands }: Run, folder: string, place: Place): Promise<Performed> {
  mkdirSync(folder, { recursive: true })
  for (const [name, target] of Object.entries(place.links)) symlinkSync(target, join(folder, name))
  const start = Date.now()
  let last = { exit: 0, printed: '', said: '' }
  for (const [index, line] of commands.entries()) {
    const words = wordsOf(line, place.inputs)
    const command = words[0] ?? ''
    const more = [...(threaded.has(command) ? ['--threads', '1'] : []), ...(printing.has(command) ? ['--json'] : [])]
    last = await spawnCommand(place.checkout, [...words, ...more], folder)
    if (printing.has(command) && last.exit === 0)
      writeFileSync(join(folder, `${index + 1}.${command}.json`), withoutMeasured(last.printed))
    if (last.exit !== 0) break
  }
  return { exit: last.exit, files: sumsOf(folder), said: last.said, seconds: (Date.now() - start) / 1000 }
}

/** Sums of the files below a folder, but not of what is measured, by path. */
export function sumsOf(folder: string): Record<string, Sum> {
  const sums: Record<string, Sum> = {}
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(folder.length + 1)
    if (left.test(name)) continue
    const bytes = readFileSync(path)
    sums[name] = { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length }
  }
  return Object.fromEntries(Object.entries(sums).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function wordsOf(line: string, inputs: Readonly<Record<string, string>>): string[] {
  return line.split(' ').flatMap((word) => {
    if (!word.startsWith('@')) return [word]
    const input = inputs[word.slice(1)]
    if (input === undefined) throw new Error(`no input ${word}; there are ${Object.keys(inputs).join(', ')}`)
    return input.split(' ')
  })
}

function spawnCommand(checkout: string, words: readonly string[], folder: string) {
  return new Promise<{ exit: number; printed: string; said: string }>((done, failed) => {
    const child = spawn(process.execPath, [resolve(checkout, 'bin', 'onnxpress.js'), ...words], {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    let printed = ''
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    child.on('error', failed)
    child.on('close', (code) => done({ exit: code ?? 1, printed, said }))
  })
}

function withoutMeasured(json: string): string {
  const keep = (key: string, value: unknown) => (measured.test(key) ? undefined : value)
  return `${JSON.stringify(JSON.parse(json), keep, 1)}\n`
}
