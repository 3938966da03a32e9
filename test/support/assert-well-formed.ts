// Checks for tests only that markup is well-formed as XML: every tag closed in order, attributes quoted, text escaped.
import assert from 'node:assert/strict'

const token = /<!doctype html>|<(\/?)([a-z][\w-]*)((?:\s+[\w:-]+(?:="[^"<]*")?)*)\s*(\/?)>|[^<]+|</gi

/** Style and script hold text, not markup. */
const rawText = /(<(style|script)>).*?(<\/\2>)/gs

/** Asserts that tags nest, every attribute name comes once in a tag, ids once in a page, and every & begins an entity. */
export function assertWellFormed(text: string): void {
  const open: string[] = []
  const ids = new Set<string>()
  for (const [part, closing, name = '', attributes = '', empty] of text.replace(rawText, '$1$3').matchAll(token)) {
    assert.notEqual(part, '<', 'a tag is broken, or a < is not escaped')
    assert.doesNotMatch(part, /&(?!amp;|lt;|gt;|quot;|#39;)/, 'an & is not escaped')
    if (name === '') continue
    if (closing === '/') assert.equal(open.pop(), name)
    else if (empty !== '/') open.push(name)
    const names = [...attributes.matchAll(/([\w:-]+)(?:="[^"]*")?/g)].map((match) => match[1])
    assert.equal(new Set(names).size, names.length, `an attribute comes twice in ${part}`)
    const id = / id="([^"]*)"/.exec(attributes)?.[1]
    assert.ok(id === undefined || !ids.has(id), `two elements have the id ${id}`)
    if (id !== undefined) ids.add(id)
  }
  assert.deepEqual(open, [], 'a tag is not closed')
}
