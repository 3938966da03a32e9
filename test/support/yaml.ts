// A reader of as much YAML as the workflows of this repository use: maps, lists, block texts, quoted and plain words, comments.
import { InputError } from '../../src/base/index.ts'

export type Yaml = string | readonly Yaml[] | { readonly [key: string]: Yaml }

interface Line {
  readonly indent: number
  readonly text: string
}

/** Reads a document; every word is text. @throws InputError for what it does not know */
export function readYaml(document: string): Yaml {
  return new Reader(document).document()
}

class Reader {
  readonly #lines: readonly string[]
  #at = 0

  constructor(document: string) {
    this.#lines = document.split('\n')
  }

  document(): Yaml {
    const value = this.#block(0)
    if (this.#peek()) throw new InputError(`YAML, line ${this.#at + 1}: not below what is before it`)
    return value
  }

  /** The next line that says something. */
  #peek(): Line | undefined {
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] ?? ''
      const text = line.trim()
      if (text !== '' && !text.startsWith('#')) return { indent: line.length - line.trimStart().length, text }
    }
    return undefined
  }

  #block(least: number): Yaml {
    const first = this.#peek()
    if (!first || first.indent < least) return ''
    return first.text.startsWith('- ') ? this.#list(first.indent) : this.#map(first.indent)
  }

  #list(indent: number): Yaml {
    const items: Yaml[] = []
    for (let line = this.#peek(); line?.indent === indent && line.text.startsWith('- '); line = this.#peek()) {
      // What stands behind the dash is the first line of a map that goes on below it.
      const rest = line.text.slice(2)
      if (!/^[\w-]+:(\s|$)/.test(rest)) {
        this.#at++
        items.push(word(rest))
        continue
      }
      const lines = this.#lines as string[]
      lines[this.#at] = `${' '.repeat(indent + 2)}${rest}`
      items.push(this.#map(indent + 2))
    }
    return items
  }

  #map(indent: number): Yaml {
    const entries: [string, Yaml][] = []
    for (let line = this.#peek(); line?.indent === indent; line = this.#peek()) {
      const [, key, value = ''] = /^([\w-]+):(?:\s+(.*))?$/.exec(line.text) ?? []
      if (key === undefined)
        throw new InputError(`YAML, line ${this.#at + 1}: "${line.text}" is not a key with a value`)
      this.#at++
      entries.push([key, value === '' ? this.#block(indent + 1) : value === '|' ? this.#text(indent) : word(value)])
    }
    return Object.fromEntries(entries)
  }

  /** Lines that are indented further than their key, as they stand. */
  #text(indent: number): string {
    const lines: string[] = []
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] ?? ''
      if (line.trim() !== '' && line.length - line.trimStart().length <= indent) break
      lines.push(line)
    }
    const own = Math.min(
      ...lines.filter((line) => line.trim() !== '').map((line) => line.length - line.trimStart().length),
    )
    return `${lines
      .map((line) => line.slice(own))
      .join('\n')
      .trimEnd()}\n`
  }
}

function word(text: string): Yaml {
  const list = /^\[(.*)\]$/.exec(text)
  if (list) return (list[1] ?? '').split(',').map((item) => word(item.trim()))
  const quoted = /^'((?:[^']|'')*)'$/.exec(text)
  if (quoted) return (quoted[1] ?? '').replaceAll("''", "'")
  if (/^["&*!|>{%@`]/.test(text)) throw new InputError(`YAML: "${text}" is not a plain word`)
  return text.replace(/\s+#.*$/, '')
}
