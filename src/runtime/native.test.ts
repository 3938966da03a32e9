import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Attempt, checkOutputs, openNative } from './native.ts'

/** A runtime that refuses some attempts with a message; keeps what was tried. */
function refusing(message: string, accepts: (attempt: Attempt) => boolean) {
  const tried: string[] = []
  const create = async (attempt: Attempt) => {
    tried.push(attempt.without ? `${attempt.level} without ${attempt.without}` : attempt.level)
    if (!accepts(attempt)) throw new Error(message)
    return 'session'
  }
  return { tried, create }
}

const fusion = 'Exception during initialization: /src/core/optimizer/reshape_fusion.cc:88 no value "a"'
const derived = 'watching its values'

describe('opening a session', () => {
  it('leaves out the optimiser that fails on a model made for a step, and says so', async () => {
    const { tried, create } = refusing(fusion, ({ without }) => without === 'ReshapeFusion')
    const { session, note } = await openNative({ derived }, create)
    assert.equal(session, 'session')
    assert.deepEqual(tried, ['all', 'all without ReshapeFusion'])
    assert.match(note ?? '', /for watching its values \(no value "a"\); this step runs without ReshapeFusion/)
  })

  it('lowers the level where no optimiser is named, down to none', async () => {
    const { tried, create } = refusing('two nodes with the same name', ({ level }) => level === 'disabled')
    const { note } = await openNative({ derived, optimization: 'extended' }, create)
    assert.deepEqual(tried, ['extended', 'basic', 'disabled'])
    assert.match(note ?? '', /runs without optimisation/)
  })

  it('tries a file only as it is asked', async () => {
    const { tried, create } = refusing(fusion, () => false)
    await assert.rejects(openNative({}, create), /reshape_fusion/)
    assert.deepEqual(tried, ['all'])
  })

  it('names the tensors that are missing when a model gives sequences alone', () => {
    assert.throws(() => checkOutputs(['s'], {}, 'm.onnx'), /m\.onnx gives: s are not tensors but sequences or maps/)
    checkOutputs(['s', 'y'], { y: 'float32' }, 'm.onnx')
  })
})
