// Runs backend tests in a child process: a crash or a hang costs one row and a new process.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Question } from './child.ts'
import { variants } from './material.ts'
import type { Row } from './run-case.ts'

/** One row of one variant of one test. */
export interface TestRow extends Row {
  readonly test: string
  readonly variant: string
}

export interface PoolOptions {
  readonly effort?: 'fast' | 'default'
  /** Most milliseconds for one variant. */
  readonly limitMs?: number
  /** Tests after which a process makes room for a new one, so that memory stays small. */
  readonly perProcess?: number
}

const fromSource = import.meta.url.endsWith('.ts')
const child = fileURLToPath(new URL(`./child.${fromSource ? 'ts' : 'js'}`, import.meta.url))

/** Runs the tests in order and yields the rows of each variant as they come. */
export async function* runTests(
  folder: string,
  names: readonly string[],
  { effort = 'fast', limitMs = 60_000, perProcess = 400 }: PoolOptions = {},
): AsyncGenerator<TestRow[], void, void> {
  let worker: ChildProcess | undefined
  try {
    for (const [index, test] of names.entries()) {
      if (index % perProcess === 0) worker = leave(worker)
      for (const variant of variants) {
        worker ??= start()
        const rows = await ask(worker, { folder, name: test, variant, effort }, limitMs)
        if (typeof rows !== 'string') {
          yield rows.map((row) => ({ ...row, test, variant }))
          continue
        }
        // Which of the steps it was is lost with the process.
        yield [{ test, variant, step: 'rewrite', outcome: rows }]
        worker.kill('SIGKILL')
        worker = undefined
      }
    }
  } finally {
    leave(worker)
  }
}

function start(): ChildProcess {
  const stdio: ('ignore' | 'inherit' | 'ipc')[] = ['ignore', 'ignore', 'ignore', 'ipc']
  return fork(child, [], { execArgv: fromSource ? ['--import', 'tsx'] : [], serialization: 'advanced', stdio })
}

function leave(worker: ChildProcess | undefined): undefined {
  if (worker?.connected) worker.disconnect()
  return undefined
}

function ask(worker: ChildProcess, question: Question, limitMs: number): Promise<Row[] | 'crashed' | 'hung'> {
  return new Promise((resolve) => {
    const end = (said: Row[] | 'crashed' | 'hung') => {
      clearTimeout(timer)
      worker.off('message', end).off('exit', crashed)
      resolve(said)
    }
    const crashed = () => end('crashed')
    const timer = setTimeout(() => end('hung'), limitMs)
    worker.once('message', end).once('exit', crashed)
    worker.send(question)
  })
}
