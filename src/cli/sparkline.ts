// A curve in one line of text: the loss of the last epochs, as blocks of eight heights.
import type { ProgressEvent } from '../base/index.ts'

const blocks = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
const WIDTH = 16
/** Weight of the newest loss in the running mean. */
const NEWEST = 0.05

/** Follows the losses of progress events and puts their curve in front of what they say. */
export function sparkline(): (event: Pick<ProgressEvent, 'message' | 'values'>) => string {
  let mean: number | undefined
  let seen = 0
  let every = 1
  let points: number[] = []
  return ({ message = '', values }) => {
    const loss = values?.['loss'] ?? Number.NaN
    if (!Number.isFinite(loss)) return message
    mean = mean === undefined ? loss : mean + NEWEST * (loss - mean)
    if (seen++ % every === 0) points.push(mean)
    if (points.length > WIDTH) {
      points = points.filter((_, i) => i % 2 === 0)
      every *= 2
    }
    const [low, high] = [Math.min(...points), Math.max(...points)]
    const drawn = points.map((value) => blocks[high > low ? Math.round((7 * (value - low)) / (high - low)) : 0])
    return `${drawn.join('')} ${message}`
  }
}
