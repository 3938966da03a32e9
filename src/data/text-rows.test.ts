import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type TextFormat, textRows } from './text-rows.ts'

const texts = (text: string, format: TextFormat, column?: string) =>
  textRows(text, format, `x.${format}`, column).rows.map((row) => row.text)
const labels = (text: string, format: TextFormat) =>
  textRows(text, format, `x.${format}`).rows.map(({ label }) => label)

describe('sentences in a file', () => {
  it('of lines are one each, whatever ends them; a byte order mark is none, and empty lines are counted', () => {
    const { rows, notes } = textRows('\uFEFFone\r\n\r\ntwo \n\nthree', 'txt', 'x.txt')
    assert.deepEqual(
      rows.map(({ text, where }) => `${where}: ${text}`),
      ['line 1: one', 'line 3: two ', 'line 5: three'],
    )
    assert.deepEqual(notes, ['2 empty lines of x.txt are left out'])
    assert.deepEqual(textRows('one\n', 'txt', 'x.txt').notes, [])
  })

  it('of a table are the column text or sentence, or the first, which is said', () => {
    assert.deepEqual(texts('id,Text\n1,"a, b"\n2,c', 'csv'), ['a, b', 'c'])
    assert.deepEqual(texts('sentence,label\nx,1', 'csv'), ['x'])
    assert.deepEqual(texts('a,b\nx,y', 'csv', 'b'), ['y'])
    const { rows, notes } = textRows('review,stars\ngood,5\nbad,1', 'csv', 'x.csv')
    assert.deepEqual(
      rows.map((row) => row.text),
      ['good', 'bad'],
    )
    assert.match(notes.join(), /no column "text" or "sentence": its column "review" is read/)
    assert.deepEqual(texts('one\ntwo', 'csv'), ['one', 'two'])
    assert.throws(() => texts('a,b\nx,y', 'csv', 'c'), /x\.csv has no column "c"; the first line is "a,b"/)
  })

  it('of JSON lines are "text" or "sentence" of an object, or a text alone', () => {
    assert.deepEqual(texts('{"text":"a"}\n\n"b"\n{"id":1,"sentence":"c"}\n{"body":"d"}', 'jsonl'), ['a', 'b', 'c', 'd'])
  })

  it('have the labels beside them: class numbers, names, or one a position', () => {
    assert.deepEqual(labels('text,label\nx,1\ny,-1', 'csv'), [1, -1])
    assert.deepEqual(labels('text,label\nx,good\ny,bad', 'csv'), ['good', 'bad'])
    assert.deepEqual(labels('{"text":"a","label":[1,2]}', 'jsonl'), [[1, 2]])
    assert.throws(() => labels('text,label\nx,1\ny,', 'csv'), /row 3 of x\.csv has no label, and other lines have one/)
    assert.throws(() => labels('{"text":"a","label":1.5}', 'jsonl'), /line 1 of x\.jsonl has the label 1\.5; expected/)
  })

  it('that are none are told in one sentence', () => {
    assert.throws(() => texts('\n \n', 'txt'), /^InputError: x\.txt holds no sentences: every line of it is empty$/)
    assert.throws(() => texts('a\0b', 'txt'), /x\.txt: it is not UTF-8 text/)
    assert.throws(() => texts('{"text":"a"}\n{"text"', 'jsonl'), /cannot read line 2 of x\.jsonl: it is not valid JSON/)
    assert.throws(() => texts('{"body":1}', 'jsonl'), /line 1 of x\.jsonl has no sentence: expected an object with/)
  })
})
