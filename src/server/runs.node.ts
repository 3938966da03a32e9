// The studio's runs: those it starts and those found in its folders, kept in view while they change.
import { mkdir } from 'node:fs/promises'
import { join, parse } from 'node:path'
import { InputError, messageOf, type ProgressEvent, UsageError } from '../base/index.ts'
import { localQueue, type Queue, type StartFolder } from '../jobs/index.ts'
import { findRunFolders, prepareRun, readEvents, readRun, readStatus, writeStatus } from '../pipeline/index.node.ts'
import {
  type CommandSchema,
  parseAnyRecipe,
  type Recipe,
  type RunSummary,
  recipeJsonSchema,
} from '../pipeline/index.ts'
import type { Folders } from './confine.node.ts'
import type { RunNews } from './messages.ts'
import { commandSchemas, freeTextFields } from './recipe-fields.ts'

export interface RunsOptions {
  readonly folders: Folders
  /** Does a run in its folder. */
  readonly start: StartFolder
  /** Milliseconds between two looks at the folders, and at the events of running runs. */
  readonly scanMs?: number
  readonly tailMs?: number
}

/** Where new runs go, below the first folder. Hidden: a data set of class folders must not get one more class. */
const home = '.onnxpress'

export class Runs {
  readonly commands: ReadonlyMap<string, CommandSchema> = commandSchemas(recipeJsonSchema())
  readonly #folders: Folders
  readonly #queue: Queue
  readonly #known = new Map<string, RunSummary>()
  readonly #texts = new Map<string, string>()
  readonly #seen = new Map<string, { readonly offset: number; readonly count: number }>()
  readonly #listeners = new Set<(news: RunNews) => void>()
  readonly #timers: NodeJS.Timeout[] = []
  #looking: Promise<void> | undefined
  #tailing = false
  #nextLook = 0

  constructor({ folders, start, scanMs = 2000, tailMs = 300 }: RunsOptions) {
    this.#folders = folders
    this.#queue = localQueue(({ id }) => start(this.get(id).folder), { onChange: () => void this.look() })
    this.#timers.push(
      setInterval(() => void this.#lookWhenWatched(scanMs), scanMs),
      setInterval(() => void this.#tailOnce(), tailMs),
    )
    for (const timer of this.#timers) timer.unref()
  }

  /** The folder that holds what the studio writes. */
  get home(): string {
    return join(this.#folders.roots[0] ?? '.', home)
  }

  /** Finds runs again, and puts those that were still waiting back into the queue. */
  async begin(): Promise<void> {
    await this.look()
    const waiting = [...this.#known.values()].filter((run) => run.state === 'queued' && this.#isMine(run))
    for (const { id, recipe } of waiting.sort((a, b) => a.createdAt - b.createdAt)) this.#queue.add({ id, recipe })
  }

  /** All runs, the newest first. */
  list(): RunSummary[] {
    return [...this.#known.values()].sort((a, b) => b.createdAt - a.createdAt)
  }

  /** @throws InputError when there is no such run */
  get(id: string): RunSummary {
    const run = this.#known.get(id)
    if (run === undefined) throw new InputError('there is no such run in the folders of this studio')
    return run
  }

  /** All events of a run so far. */
  async events(id: string): Promise<readonly ProgressEvent[]> {
    return (await readEvents(this.get(id).folder)).events
  }

  /**
   * Checks a recipe: its form, and that its paths stay inside.
   * @throws InputError, UsageError
   */
  check(json: unknown): Recipe {
    const recipe = parseAnyRecipe(json)
    const schema = this.commands.get(recipe.command)
    const free = schema ? freeTextFields(schema) : new Set<string>()
    return parseAnyRecipe(this.#folders.confineRecipe({ ...recipe }, free))
  }

  /** Puts a new run into the queue. Its output lies in its own folder unless the recipe says where. */
  async add(json: unknown): Promise<RunSummary> {
    const recipe = this.check(json)
    await mkdir(this.home, { recursive: true }).catch((error: unknown) => {
      throw new UsageError(
        `cannot write into ${this.#folders.roots[0]} (${messageOf(error)}): start the studio with a folder first that can be written`,
      )
    })
    const stamp = new Date().toISOString().slice(0, 19).replace('T', '-').replaceAll(':', '')
    const name = parse(recipe.model)
      .name.replace(/[^\w.-]/g, '_')
      .slice(0, 60)
    const folder = await newFolder(join(this.home, `${stamp}-${name}-${recipe.command}`))
    const takesOutput = this.commands.get(recipe.command)?.properties['output'] !== undefined
    const output = takesOutput && !('output' in recipe) ? { output: join(folder, 'model.onnx') } : {}
    await prepareRun(folder, { ...recipe, ...output })
    return this.#enqueue(folder)
  }

  /** Does a run again in its folder; a command that can go on where it stopped is told to. */
  async resume(id: string): Promise<RunSummary> {
    const { folder, recipe, state, command } = this.get(id)
    if (state === 'running' || state === 'queued') throw new UsageError('this run is already running')
    const canResume = this.commands.get(command)?.properties['resume']?.type === 'boolean'
    const checked = this.check(canResume ? { ...recipe, resume: true } : recipe)
    await prepareRun(folder, checked)
    return this.#enqueue(folder)
  }

  /** Asks a run of this studio to stop. @throws UsageError when it is not its own, or not running */
  async cancel(id: string): Promise<void> {
    const { folder } = this.get(id)
    const waits = this.#queue.jobs().some(({ job, state }) => job.id === id && state === 'waiting')
    if (!this.#queue.cancel(id))
      throw new UsageError('this run was not started here: stop it where it runs, with Ctrl-C')
    const status = await readStatus(folder)
    if (waits && status) await writeStatus(folder, { ...status, state: 'cancelled', endedAt: Date.now() })
    await this.look()
  }

  /** Hears of every change until the returned function is called. */
  subscribe(listener: (news: RunNews) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Looks through the folders, and tells what changed. Looks that overlap are one. */
  async look(): Promise<void> {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#queue.close()
    await this.#looking
  }

  async #lookNow(): Promise<void> {
    for (const folder of await findRunFolders(this.#folders.roots)) {
      const run = await readRun(folder)
      if (run !== undefined) await this.#keep(run)
    }
  }

  async #enqueue(folder: string): Promise<RunSummary> {
    const run = await readRun(folder)
    if (run === undefined) throw new InputError('the run could not be prepared')
    await this.#keep(run)
    this.#queue.add({ id: run.id, recipe: run.recipe })
    return run
  }

  async #keep(run: RunSummary): Promise<void> {
    const text = JSON.stringify(run)
    if (this.#texts.get(run.id) === text) return
    // The last events of a run come before the word that it has ended.
    await this.#tailOne(run)
    this.#texts.set(run.id, text)
    this.#known.set(run.id, run)
    this.#publish({ type: 'run', run })
  }

  /** Large folders cost time to look through: that is done only while somebody watches, and at most a tenth of the time. */
  async #lookWhenWatched(scanMs: number): Promise<void> {
    if (this.#listeners.size === 0 || Date.now() < this.#nextLook) return
    const began = Date.now()
    await this.look()
    this.#nextLook = Date.now() + Math.max(0, 10 * (Date.now() - began) - scanMs)
  }

  async #tailOnce(): Promise<void> {
    if (this.#tailing) return
    this.#tailing = true
    await this.#tail().finally(() => {
      this.#tailing = false
    })
  }

  /** Running runs change faster than folders are looked through. */
  async #tail(): Promise<void> {
    const mine = this.#queue.jobs().flatMap(({ job, state }) => (state === 'running' ? [this.get(job.id).folder] : []))
    const theirs = [...this.#known.values()].flatMap(({ state, folder }) => (state === 'running' ? [folder] : []))
    for (const folder of new Set([...mine, ...theirs])) {
      const run = await readRun(folder)
      if (run === undefined) continue
      await this.#keep(run)
      await this.#tailOne(run)
    }
  }

  async #tailOne({ id, folder }: RunSummary): Promise<void> {
    const seen = this.#seen.get(id) ?? { offset: 0, count: 0 }
    const { events, offset } = await readEvents(folder, seen.offset)
    // A run that was begun anew starts from its first event.
    const start = offset < seen.offset ? 0 : seen.count
    this.#seen.set(id, { offset, count: start + events.length })
    if (events.length > 0) this.#publish({ type: 'events', id, events, start })
  }

  #publish(news: RunNews): void {
    for (const listener of this.#listeners) listener(news)
  }

  #isMine({ folder }: RunSummary): boolean {
    return folder.startsWith(this.home)
  }
}

/** Makes a folder that was not there before, with a number behind its name when that is taken. */
async function newFolder(path: string): Promise<string> {
  for (let count = 1; ; count++) {
    const folder = count === 1 ? path : `${path}-${count}`
    try {
      await mkdir(folder)
      return folder
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
  }
}
