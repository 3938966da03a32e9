import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { manifestEntries, noModels, sharedFolder } from '../../test/support/manifest.ts'
import { readModelFile } from '../onnx/index.node.ts'
import { subGraphNotes } from './sub-graphs.ts'

describe('what lies inside sub-graphs', () => {
  it('is counted in words, nested ones too', { skip: noModels }, async () => {
    const nested = manifestEntries().find(({ file }) => file === 'silero_vad.onnx')
    assert.ok(nested)
    const notes = subGraphNotes(await readModelFile(join(sharedFolder, 'models', nested.file)))
    assert.equal(notes.length, 1)
    assert.match(
      notes[0] ?? '',
      /^If "If_0" holds \d+ nodes in 2 sub-graphs, among them \d+ Conv, .*\d+ LSTM: they are left/,
    )
  })

  it('is not mentioned where there is none', async () => {
    assert.deepEqual(subGraphNotes(await readModelFile('demo/model.onnx')), [])
  })
})
