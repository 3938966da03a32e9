import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseCsv } from './csv.ts'

describe('parseCsv', () => {
  it('reads quotes, doubled quotes, CRLF and a byte order mark, and skips empty lines', () => {
    const text = '\uFEFFfile,label\r\n"a, b.jpg",1\n\n"say ""hi""",2\nlast,'
    assert.deepEqual(parseCsv(text), [
      ['file', 'label'],
      ['a, b.jpg', '1'],
      ['say "hi"', '2'],
      ['last', ''],
    ])
  })

  it('an empty text has no rows', () => {
    assert.deepEqual(parseCsv(''), [])
  })
})
