// The runs of this tab: one at a time, kept in memory until the tab is closed.
import { CancelledError, InputError, messageOf, type ProgressEvent, UsageError } from '../../../src/base/index.ts'
import { localQueue, type Queue } from '../../../src/jobs/index.ts'
import { parseAnyRecipe, type QuantizeRecipe, reportOfQuantization } from '../../../src/pipeline/index.ts'
import { type Report, renderHtml } from '../../../src/report/index.ts'
import type { Run, RunMessage, RunNews } from '../types.ts'
import type { MadeFile } from './messages.ts'
import type { LocalResult } from './quantize.ts'

/** Does the work of a run. */
export type Work = (
  recipe: QuantizeRecipe,
  watch: { readonly progress: (event: ProgressEvent) => void; readonly signal: AbortSignal },
) => Promise<LocalResult>

interface Kept {
  run: Run
  readonly events: ProgressEvent[]
  readonly recipe: QuantizeRecipe
  readonly stop: AbortController
  result?: LocalResult
  report?: Report
}

export class LocalRuns {
  readonly #runs = new Map<string, Kept>()
  readonly #queue: Queue
  readonly #work: Work
  readonly #tell: (news: RunNews) => void
  readonly #environment: () => Promise<Record<string, string>>
  #count = 0

  constructor(work: Work, environment: () => Promise<Record<string, string>>, tell: (news: RunNews) => void) {
    this.#work = work
    this.#tell = tell
    this.#environment = environment
    this.#queue = localQueue(({ id }) => {
      const kept = this.#of(id)
      return { done: this.#do(kept), stop: () => kept.stop.abort(new CancelledError()) }
    })
  }

  list(): Run[] {
    return [...this.#runs.values()].map(({ run }) => run).reverse()
  }

  message(id: string): RunMessage {
    const { run, events } = this.#of(id)
    return { run, events, result: null }
  }

  report(id: string): Report {
    const { report } = this.#of(id)
    if (report === undefined) throw new InputError('this run has no report')
    return report
  }

  add(json: unknown): Run {
    const recipe = checkRecipe(json)
    const id = `run-${++this.#count}`
    const stamp = new Date().toTimeString().slice(0, 8).replaceAll(':', '')
    const run: Run = {
      id,
      folder: '',
      name: `${stamp}-${stemOf(recipe)}`,
      state: 'queued',
      command: recipe.command,
      model: recipe.model,
      recipe: { ...recipe },
      createdAt: Date.now(),
      hasReport: false,
    }
    const kept: Kept = { run, events: [], recipe, stop: new AbortController() }
    this.#runs.set(id, kept)
    this.#queue.add({ id, recipe: run.recipe })
    return kept.run
  }

  /** The same recipe once more, as a run of its own: there is nothing on disk to go on from. */
  again(id: string): Run {
    return this.add(this.#of(id).recipe)
  }

  cancel(id: string): void {
    const kept = this.#of(id)
    const waits = kept.run.state === 'queued'
    if (!this.#queue.cancel(id)) throw new UsageError('this run has ended already')
    if (waits) this.#change(kept, { state: 'cancelled', endedAt: Date.now() })
  }

  /** What is handed to the person. @throws InputError when the run has not got that far */
  file(id: string, what: unknown): MadeFile {
    const { result, report, recipe } = this.#of(id)
    if (!result || !report) throw new InputError('this run has made nothing yet')
    const stem = stemOf(recipe)
    const bits = recipe.weightBits === 4 ? 'int4' : 'int8'
    if (what === 'model')
      return {
        name: `${stem}.${bits}.onnx`,
        blob: new Blob([result.bytes.slice()], { type: 'application/octet-stream' }),
        shown: false,
      }
    if (what === 'report')
      return { name: `${stem}.report.html`, blob: new Blob([renderHtml(report)], { type: 'text/html' }), shown: true }
    const json = `${JSON.stringify(repeatable(recipe, result), null, 2)}\n`
    return { name: `${stem}.recipe.json`, blob: new Blob([json], { type: 'application/json' }), shown: false }
  }

  #of(id: string): Kept {
    const kept = this.#runs.get(id)
    if (kept === undefined) throw new InputError('there is no such run on this page')
    return kept
  }

  #change(kept: Kept, fields: Partial<Run>): void {
    kept.run = { ...kept.run, ...fields }
    this.#tell({ type: 'run', run: kept.run })
  }

  async #do(kept: Kept): Promise<void> {
    const { recipe, stop, events } = kept
    this.#change(kept, { state: 'running', startedAt: Date.now() })
    const progress = (event: ProgressEvent): void => {
      events.push(event)
      this.#tell({ type: 'events', id: kept.run.id, events: [event], start: events.length - 1 })
    }
    try {
      kept.result = await this.#work(recipe, { progress, signal: stop.signal })
      kept.report = reportOfQuantization(kept.result.run, await this.#environment())
      const { headline, tone } = kept.report.verdict
      this.#change(kept, { state: 'done', endedAt: Date.now(), hasReport: true, headline, tone, output: 'here' })
    } catch (error) {
      const cancelled = stop.signal.aborted || error instanceof CancelledError
      const state = cancelled ? 'cancelled' : 'failed'
      this.#change(kept, { state, endedAt: Date.now(), ...(cancelled ? {} : { message: messageOf(error) }) })
    }
  }
}

/** @throws InputError for what is not a recipe of a quantisation */
export function checkRecipe(json: unknown): QuantizeRecipe {
  const recipe = parseAnyRecipe(json)
  if (recipe.command === 'quantize') return recipe
  throw new InputError(`this page quantises; ${recipe.command} needs the command line, or onnxpress studio`)
}

/** A recipe that gives the same bytes anywhere: what the samples taught stands in it, and no path of this page. */
function repeatable({ output: _, data: __, ...recipe }: QuantizeRecipe, { run }: LocalResult): Record<string, unknown> {
  const statistics = run.statistics ?? recipe.statistics
  const model = recipe.model.split('/').at(-1) ?? recipe.model
  return { ...recipe, model, data: 'none', ...(statistics ? { statistics } : {}) }
}

/** The model's name without folder and ending. */
function stemOf({ model }: QuantizeRecipe): string {
  return (model.split('/').at(-1) ?? 'model').replace(/\.onnx$/i, '')
}
