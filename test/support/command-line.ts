// The built command line many times in one process: a process takes half a second of a processor until it has loaded what a command
// needs, most of what a test of one sentence costs. That the program itself ends with the code that `main` gives is tested where it is
// started (test/cli.test.ts).
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { resolve } from 'node:path'

/** What a run came to. */
export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandLine {
  /** Runs one command; whatever it leaves unhandled, or a process that does not live on, fails the test. */
  readonly run: (...args: readonly string[]) => Promise<Ran>
  readonly close: () => void
}

/**
 * The command line as `built` left it; its process starts with the first run.
 * @param options.cwd folder that file names are relative to
 */
export function commandLine({
  cwd,
  env = {},
}: {
  cwd?: string
  env?: Readonly<Record<string, string>>
} = {}): CommandLine {
  let child: ChildProcess | undefined
  const start = () =>
    fork(resolve('test/support/command-lines.mjs'), {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
  return {
    run: (...args) =>
      new Promise((done, fail) => {
        child ??= start()
        const running = child
        let printed = ''
        const print = (text: Buffer) => (printed += text)
        const exited = (code: number | null) => {
          child = undefined
          fail(new assert.AssertionError({ message: `${args.join(' ')}: the process ended with ${code}: ${printed}` }))
        }
        running.stderr?.on('data', print)
        running.once('exit', exited)
        running.once('message', (ran: Ran) => {
          running.stderr?.off('data', print)
          running.off('exit', exited)
          done(ran)
        })
        running.send(args)
      }),
    close: () => child?.disconnect(),
  }
}
