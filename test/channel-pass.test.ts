// Channels are looked at once where that can matter, and not at all where nothing could be scaled or folded.

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Runtime } from '../src/runtime/index.ts'
import { quantizeGraph } from './support/fresh-scores.ts'
import { families, opGraph } from './support/op-graphs.ts'
import { testRuntime } from './support/rewrite-conformance.ts'

describe('the pass over channels', () => {
  let runtime: Runtime
  before(async () => {
    runtime = await testRuntime()
  })

  /** How many passes begin, and what became of the techniques. */
  async function passes(family: string, drawing?: string) {
    const known = families().find(({ name }) => name === family)
    assert.ok(known)
    let begun = 0
    const progress = ({ step, done }: { step: string; done: number }) => {
      if (step === 'channels' && done === 0) begun++
    }
    const graph = opGraph({ ...known, drawing: drawing ?? known.drawing }, 0, 8)
    const { ladder = [] } = await quantizeGraph(runtime, graph, {}, { progress })
    return { begun, names: ladder.map(({ name }) => name) }
  }

  it('does not run for a block whose channels are all closed', async () => {
    const drawing =
      'x[N,6,12] -> Softmax axis=-1 -> MatMul 12->16 -> Add floats[16] -> Sigmoid -> MatMul 16->12 -> Add =x -> ReduceMean ints(1) keepdims=0 -> Gemm 12->5 transB=1 -> y'
    // So small that neither a Mul in front of a layer nor a second product could pay.
    const { begun, names } = await passes('sequence/layerNorm', drawing)
    assert.equal(begun, 0)
    assert.ok(names.includes('corrected'))
  })

  it('runs once for folding and equalisation together', async () => {
    const { begun, names } = await passes('map/relu6')
    assert.equal(begun, 1)
    assert.ok(names.includes('equalised'))
  })
})
