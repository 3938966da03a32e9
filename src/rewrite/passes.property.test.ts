import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { drawings } from '../../test/support/random-graphs.ts'
import { assertClose, contextOf, randomFeeds, run } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { printModel } from '../onnx/index.ts'
import { passes } from './passes.ts'

describe('the default passes, one after the other', () => {
  it('keep the function of any small network, each of them, at old and new opsets', async () => {
    await fc.assert(
      fc.asyncProperty(drawings, fc.constantFrom(11, 13, 17), fc.nat(99), async (drawing, opset, seed) => {
        let model = tinyModel(drawing, { opset, seed })
        const before = printModel(model)
        const first = model
        const feeds = randomFeeds(model, seed)
        const expected = await run(model, feeds)
        for (const pass of passes) {
          const result = pass.apply(model, await contextOf(model, feeds))
          if (result.changes.length === 0) assert.equal(result.model, model, `${pass.name} changes without a word`)
          else assertClose(expected, await run(result.model, feeds), pass.boundDb, 1e-5 * (1 + passes.length))
          model = result.model
        }
        assert.equal(printModel(first), before)
      }),
      { numRuns: 25 },
    )
  })
})
