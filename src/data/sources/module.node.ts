// A JavaScript module that yields samples: the way in for everything this module has no format for.
import { basename, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { InputError, messageOf, OnnxpressError, orCancelled, throwIfCancelled } from '../../base/index.ts'
import type { Source, SourceSample } from '../source.ts'
import { Cursor, type Fail, type Items, iterate, nextOf } from './cursor.ts'
import { type FitOptions, fitYielded, parseYielded, type Yielded } from './yielded.ts'

export interface ModuleOptions extends FitOptions {
  /** Ends the counting of samples, and the waiting for one that never comes. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Samples of a module whose default export, or export `samples`, is an iterable, an async iterable, or a function that
 * returns one. It yields `{ inputs: { name: value } }` or `{ value }`, each with an optional `label`; a value is
 * a typed array, a list of numbers, or `{ dtype, dims, data }`, for one sample.
 *
 * Samples are read again from the beginning when an earlier one is asked for, and are never kept, so a function (or an
 * iterable that can be read twice) needs constant memory. Unless the module exports their number as `size`, they are
 * counted once when the data set is opened. A generator object can be read only once and is kept in memory.
 * @throws InputError when the module cannot be loaded or yields something else
 */
export async function openModule(file: string, options: ModuleOptions): Promise<Source> {
  const { signal } = options
  const module = await orCancelled(load(file), signal)
  const exported = module['samples'] ?? module['default']
  const fail = (problem: string) => new InputError(`cannot use the samples of ${file}: ${problem}`, { file })
  const start = async (): Promise<Items> => {
    const items: unknown = typeof exported === 'function' ? await called(() => exported(), fail) : exported
    if (isItems(items)) return items
    throw fail(
      'its default export, or its export "samples", must be an (async) iterable or a function that returns one',
    )
  }
  const first = await orCancelled(start(), signal)
  const notes: string[] = []
  let restart = start
  if (typeof exported !== 'function' && 'next' in first) {
    const kept: unknown[] = []
    for await (const item of counted(first, fail, signal)) kept.push(item)
    restart = async () => kept
    notes.push(
      `${basename(file)} exports a generator that can be read only once; its ${kept.length} samples are kept in memory, export a function to stream them`,
    )
  }
  const cursor = new Cursor(restart, fail)
  const declared = module['size']
  const count =
    typeof declared === 'number' ? { size: declared, labelled: undefined } : await countItems(restart, fail, signal)
  if (!(Number.isInteger(count.size) && count.size > 0)) throw fail(`it yields ${count.size} samples`)
  const sample = parseYielded(await orCancelled(cursor.at(0), signal), 0, fail)
  const convert = (item: Yielded): SourceSample => ({
    values: fitted(item),
    ...(item.label !== undefined && { label: item.label }),
  })
  function fitted(item: Yielded): SourceSample['values'] {
    const { values, notes: assumed } = fitYielded(item, options, fail)
    for (const note of assumed) if (!notes.includes(note)) notes.push(note)
    return values
  }

  return {
    name: basename(file),
    size: count.size,
    fed: new Set(Object.keys(convert(sample).values)),
    hasLabels: count.labelled ?? sample.label !== undefined,
    ...(options.preprocess && { preprocess: options.preprocess }),
    notes: () => notes,
    id: (index) => `${basename(file)}#${index}`,
    read: async (index) => convert(parseYielded(await cursor.at(index), index, fail)),
  }
}

async function load(file: string): Promise<Record<string, unknown>> {
  try {
    const module: Record<string, unknown> = await import(pathToFileURL(resolve(file)).href)
    return module
  } catch (error) {
    throw new InputError(`cannot load the module ${file}: ${messageOf(error)}`, { file }, error)
  }
}

function isItems(value: unknown): value is Items {
  return typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
}

async function countItems(
  start: () => Promise<Items>,
  fail: Fail,
  signal: AbortSignal | undefined,
): Promise<{ size: number; labelled: boolean }> {
  let size = 0
  let labelled = 0
  for await (const item of counted(await start(), fail, signal))
    if (parseYielded(item, size++, fail).label !== undefined) labelled++
  return { size, labelled: size > 0 && labelled === size }
}

/** Items that are counted at most; more are a generator that never ends, or a set whose size is better told. */
const MOST_COUNTED = 1_000_000
/** Time after which Ctrl-C gets its turn: items that are ready at once would keep it out. */
const TURN_MS = 50

/** All items, one by one. @throws what `fail` makes of too many of them, or of what the module throws */
async function* counted(
  items: Items,
  fail: Fail,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown, void, void> {
  const iterator = iterate(items)
  let turn = performance.now()
  for (let index = 0; index < MOST_COUNTED; index++) {
    const { done, value } = await orCancelled(nextOf(iterator, index, fail), signal)
    if (done) return
    yield value
    if (performance.now() - turn < TURN_MS) continue
    await setImmediate()
    throwIfCancelled(signal)
    turn = performance.now()
  }
  throw fail(
    `it yields more than ${MOST_COUNTED.toLocaleString('en')} samples; export their number as "size" if it really ends`,
  )
}

/** What an exported function returns. */
async function called(exported: () => unknown, fail: Fail): Promise<unknown> {
  try {
    return await exported()
  } catch (error) {
    throw error instanceof OnnxpressError ? error : fail(`its function failed: ${messageOf(error)}`)
  }
}
