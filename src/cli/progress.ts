// Progress on stderr: a bar on a terminal, plain lines otherwise, nothing with --quiet.
import type { Progress, ProgressEvent } from '../base/index.ts'

/** Off a terminal a log that is silent for longer looks like a process that hangs. */
const SILENCE_MS = 10_000

/** Makes the listener of a run. `done` clears the bar and stops the clock. */
export function progressTo(
  stream: NodeJS.WriteStream,
  quiet: boolean,
): { readonly progress: Progress; readonly done: () => void } {
  if (quiet) return { progress: () => {}, done: () => {} }
  return stream.isTTY ? bar(stream) : lines(stream)
}

function bar(stream: NodeJS.WriteStream): ReturnType<typeof progressTo> {
  let step = ''
  let started = 0
  let shown = 0
  const progress = (event: ProgressEvent) => {
    const { done, total } = event
    if (event.step !== step) {
      step = event.step
      started = event.at
      shown = 0
    }
    if (event.at - shown < 80 && done < total) return
    shown = event.at
    const share = total === 0 ? 1 : done / total
    const filled = Math.round(20 * share)
    const left = remaining(event, started)
    const line = `${step.padEnd(10)} ${'█'.repeat(filled)}${'░'.repeat(20 - filled)} ${done}/${total}${left && `  ${left}`}  ${event.message ?? ''}`
    stream.write(`\r\x1b[K${line.slice(0, (stream.columns ?? 80) - 1)}`)
  }
  return { progress, done: () => stream.write('\r\x1b[K') }
}

/** A line when a step begins, and one at least every ten seconds, also while nothing is reported. */
function lines(stream: NodeJS.WriteStream): ReturnType<typeof progressTo> {
  let last: ProgressEvent | undefined
  let started = 0
  let written = Date.now()
  const write = (text: string) => {
    written = Date.now()
    stream.write(`${text}\n`)
  }
  const print = () => {
    if (last) write(standing(last, started, Date.now()))
  }
  const timer = setInterval(() => {
    if (Date.now() - written >= SILENCE_MS - 50) print()
  }, 1000)
  timer.unref()
  const progress = (event: ProgressEvent) => {
    const begins = event.step !== last?.step
    if (begins) started = event.at
    last = event
    if (begins) write(`${event.step}${event.total > 1 ? `: ${event.total}` : ''}`)
    else if (event.at - written >= SILENCE_MS) print()
  }
  return { progress, done: () => clearInterval(timer) }
}

/** "rounded: 3 of 36, 12 s, 2 min 4 s left, /encoder/layer.1/ffn". */
function standing(event: ProgressEvent, started: number, now: number): string {
  const { step, done, total, message } = event
  const parts = [
    `${step}: ${done} of ${total}`,
    `${spell((now - started) / 1000)} so far`,
    remaining(event, started),
    message ?? '',
  ]
  return parts.filter((part) => part !== '').join(', ')
}

/** "12 s left", by the pace so far; '' while there is none. */
function remaining({ done, total, at }: ProgressEvent, started: number): string {
  return done > 0 && done < total ? `${spell((((at - started) / done) * (total - done)) / 1000)} left` : ''
}

function spell(seconds: number): string {
  const whole = Math.ceil(seconds)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}
