// The live values of a walk: in memory while they fit, the longest unused ones on disk when they do not.
import { sizeOf, type TensorValue } from '../base/index.ts'

/** Keeps values outside of memory, by key. */
export interface Spill {
  readonly write: (key: string, value: TensorValue) => Promise<void>
  readonly read: (key: string) => Promise<TensorValue>
  readonly remove: (key: string) => Promise<void>
}

/** Bytes that the live values of one stream take in memory at most, when there is somewhere else to put them. */
const LIMIT = 128e6

interface Entry {
  readonly dims: readonly number[]
  readonly dtype: TensorValue['dtype']
  readonly bytes: number
  value: TensorValue | undefined
  /** Lies on disk as well; values never change, so it need not be written twice. */
  spilled: boolean
  usedAt: number
}

/** Values by batch and name. */
export class LiveValues {
  readonly #entries = new Map<string, Entry>()
  readonly #prefix: string
  readonly #spill: Spill | undefined
  readonly #limit: number
  #clock = 0
  #inMemory = 0

  constructor(prefix: string, spill?: Spill, limit: number = LIMIT) {
    this.#prefix = prefix
    this.#spill = spill
    this.#limit = limit
  }

  has(batch: number, name: string): boolean {
    return this.#entries.has(key(batch, name))
  }

  /** Element type and dims of a live value, without reading it. */
  info(batch: number, name: string): Pick<TensorValue, 'dims' | 'dtype'> | undefined {
    return this.#entries.get(key(batch, name))
  }

  async get(batch: number, name: string): Promise<TensorValue> {
    const id = key(batch, name)
    const entry = this.#entries.get(id)
    if (!entry) throw new Error(`value "${name}" is not live`)
    entry.usedAt = ++this.#clock
    if (entry.value) return entry.value
    if (!this.#spill) throw new Error(`value "${name}" is gone`)
    return this.#spill.read(this.#prefix + id)
  }

  async set(batch: number, name: string, value: TensorValue): Promise<void> {
    const id = key(batch, name)
    await this.#drop(id)
    const bytes = value.data.BYTES_PER_ELEMENT * sizeOf(value.dims)
    this.#entries.set(id, {
      dims: value.dims,
      dtype: value.dtype,
      bytes,
      value,
      spilled: false,
      usedAt: ++this.#clock,
    })
    this.#inMemory += bytes
    await this.#makeRoom()
  }

  /** Names of the values of a batch. */
  names(batch: number): string[] {
    const prefix = `${batch}:`
    return [...this.#entries.keys()].filter((id) => id.startsWith(prefix)).map((id) => id.slice(prefix.length))
  }

  async delete(batch: number, name: string): Promise<void> {
    await this.#drop(key(batch, name))
  }

  async close(): Promise<void> {
    for (const id of [...this.#entries.keys()]) await this.#drop(id)
  }

  async #drop(id: string): Promise<void> {
    const entry = this.#entries.get(id)
    if (!entry) return
    this.#entries.delete(id)
    if (entry.value) this.#inMemory -= entry.bytes
    if (entry.spilled) await this.#spill?.remove(this.#prefix + id)
  }

  async #makeRoom(): Promise<void> {
    if (!this.#spill || this.#inMemory <= this.#limit) return
    const oldest = [...this.#entries].filter(([, entry]) => entry.value).sort(([, a], [, b]) => a.usedAt - b.usedAt)
    // The newest value stays: it is about to be read.
    for (const [id, entry] of oldest.slice(0, -1)) {
      if (this.#inMemory <= this.#limit) return
      if (entry.value && !entry.spilled) await this.#spill.write(this.#prefix + id, entry.value)
      entry.spilled = true
      entry.value = undefined
      this.#inMemory -= entry.bytes
    }
  }
}

function key(batch: number, name: string): string {
  return `${batch}:${name}`
}
