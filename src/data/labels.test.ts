import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelsFromCsv, labelsFromJson, labelsFromLines, matchLabels, nextTokenLabel } from './labels.ts'

const match = (table: Parameters<typeof matchLabels>[0], ...ids: string[]) => matchLabels(table, ids, 'labels')

describe('labels', () => {
  it('come from the named columns of a CSV, with class names', () => {
    const table = labelsFromCsv('name,file,label\ncat,a.jpg,3\ndog,b.jpg,5', 'l.csv', {
      key: 'file',
      column: 'label',
      names: 'name',
    })
    assert.deepEqual(match(table, 'b.jpg', 'a.jpg'), [5, 3])
    assert.equal(table.kind === 'by-name' && table.names?.get(5), 'dog')
  })

  it('come from the usual columns, or the first two without a header', () => {
    assert.deepEqual(match(labelsFromCsv('label,filename\n7,a.jpg', 'l.csv'), 'a.jpg'), [7])
    assert.deepEqual(match(labelsFromCsv('a.jpg,7\nb.jpg,8', 'l.csv'), 'a.jpg', 'b.jpg'), [7, 8])
  })

  it('match a file in a folder by its name alone', () => {
    assert.deepEqual(match(labelsFromJson('{"a.jpg": 2}', 'l.json'), 'cats/a.jpg'), [2])
  })

  it('match rows of a file by their number', () => {
    assert.deepEqual(match(labelsFromCsv('0,4\n1,5', 'l.csv'), 'x.npy#0', 'x.npy#1'), [4, 5])
  })

  it('come from a JSON list, a key of an object, or one a line', () => {
    assert.deepEqual(match(labelsFromJson('{"y": [1, [2, -1]]}', 'l.json', 'y'), 'a', 'b'), [1, [2, -1]])
    assert.deepEqual(match(labelsFromLines('4\r\n5\n', 'l.txt'), 'a', 'b'), [4, 5])
  })

  it('of a sequence are its tokens moved by one', () => {
    assert.deepEqual(nextTokenLabel([1, 5, 9]), [5, 9, -1])
  })

  for (const [what, act, message] of [
    [
      'a sample without label',
      () => match(labelsFromJson('{"a": 1}', 'l'), 'a', 'b'),
      /sample "b" has no label in labels/,
    ],
    [
      'a label without sample',
      () => match(labelsFromJson('{"a": 1, "b": 2}', 'l'), 'a'),
      /"b", for which there is no sample/,
    ],
    ['another number of labels', () => match(labelsFromLines('1\n2', 'l'), 'a'), /2 entries for 1 samples/],
    ['no class number', () => labelsFromCsv('file,label\na,1\nb,cat', 'l.csv'), /line 3 of labels l\.csv has "cat"/],
    ['a missing column', () => labelsFromCsv('a,b\n1,2', 'l.csv', { column: 'label' }), /no column "label".*"a,b"/],
    ['a name twice', () => labelsFromCsv('a,1\na,2', 'l.csv'), /"a" twice/],
    ['a missing key', () => labelsFromJson('{}', 'l.json', 'y'), /l\.json have no key "y"/],
    ['broken JSON', () => labelsFromJson('{', 'l.json'), /l\.json.*not valid JSON/],
  ] as const)
    it(`refuse ${what}`, () => {
      assert.throws(act, message)
    })
})
