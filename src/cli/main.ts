// The command line: parsing, exit codes, one sentence for an error. No logic.
import { Command } from 'commander'
import { messageOf, OnnxpressError } from '../base/index.ts'
import { addCommands } from './commands.ts'

/** Parses `args` (without node and script) and runs the command. Returns the exit code. */
export async function main(args: readonly string[], version: string): Promise<number> {
  const program = new Command('onnxpress')
    .description('Make ONNX models smaller and faster without losing what they know, and prove it.')
    .version(version)
    .exitOverride()
  await addCommands(program, args)
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    return explain(error, args.includes('--debug'))
  }
}

function explain(error: unknown, debug: boolean): number {
  // Commander has printed its own message (help, version, a mistyped option) already.
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('commander.'))
    return 'exitCode' in error && error.exitCode === 0 ? 0 : 2
  process.stderr.write(`${debug && error instanceof Error ? error.stack : messageOf(error)}\n`)
  return error instanceof OnnxpressError ? error.exitCode : 1
}
