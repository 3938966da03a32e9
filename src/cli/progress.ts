// Progress on stderr: a bar on a terminal, plain lines otherwise, nothing with --quiet.
import type { Progress, ProgressEvent } from '../base/index.ts'

/** Makes the listener of a run. `done` clears the bar. */
export function progressTo(
  stream: NodeJS.WriteStream,
  quiet: boolean,
): { readonly progress: Progress; readonly done: () => void } {
  if (quiet) return { progress: () => {}, done: () => {} }
  let step = ''
  let started = 0
  let shown = 0
  const draw = (event: ProgressEvent) => {
    const { done, total } = event
    if (event.step !== step) {
      step = event.step
      started = event.at
      shown = 0
      if (!stream.isTTY) stream.write(`${step}${total > 1 ? `: ${total}` : ''}\n`)
    }
    if (!stream.isTTY || (event.at - shown < 80 && done < total)) return
    shown = event.at
    const share = total === 0 ? 1 : done / total
    const filled = Math.round(20 * share)
    const left = done > 0 && done < total ? `  ${timeLeft(((event.at - started) / done) * (total - done))} left` : ''
    const line = `${step.padEnd(10)} ${'█'.repeat(filled)}${'░'.repeat(20 - filled)} ${done}/${total}${left}  ${event.message ?? ''}`
    stream.write(`\r\x1b[K${line.slice(0, (stream.columns ?? 80) - 1)}`)
  }
  return {
    progress: draw,
    done: () => {
      if (stream.isTTY) stream.write('\r\x1b[K')
    },
  }
}

function timeLeft(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
