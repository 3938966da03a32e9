import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assertNear } from '../../../test/support/assert-near.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { TrainingGraph } from '../training-graph.ts'
import { untrainedNotes } from '../untrained.ts'
import { feedsOf } from './feeds.ts'
import { firstNonFinite, refuseNonFinite } from './non-finite.ts'
import type { SampleStore } from './sample-store.ts'
import { cloneState, decodeState, encodeState, newState, type TrainState } from './state.ts'
import { addTo, follow, topOf } from './sums.ts'

/** Any float32, NaN and infinities included. */
const arrays = fc.dictionary(fc.string({ minLength: 1 }), fc.float32Array({ maxLength: 5 }), { maxKeys: 3 })
const states = fc
  .record({
    values: arrays,
    first: arrays,
    best: fc.option(arrays),
    step: fc.nat(),
    loss: fc.double({ noNaN: true, noDefaultInfinity: true }),
  })
  .map(
    ({ values, first, best, step, loss }): TrainState => ({
      ...newState(new Map(Object.entries(values))),
      step,
      lossSum: loss,
      moments: new Map(Object.entries(first).map(([name, array]) => [name, [array, array.slice().reverse()]])),
      best: best ? { epoch: 2, score: 0.5, values: new Map(Object.entries(best)) } : undefined,
      history: [{ epoch: 0, loss, rate: 0.1, seconds: 1 }],
    }),
  )

describe('a checkpoint', () => {
  it('gives any state back, bit for bit', () => {
    fc.assert(
      fc.property(states, (state) => {
        // In JSON there is no −0; it is a sum of losses, where it means 0.
        const plain = (of: TrainState) => ({
          ...of,
          lossSum: of.lossSum + 0,
          history: of.history.map((row) => ({ ...row, loss: row.loss + 0 })),
        })
        assert.deepEqual(plain(decodeState(encodeState(state, 'same'), 'same', 'file')), plain(state))
      }),
    )
  })

  it('of another training, of nothing, or cut off anywhere is refused by name', () => {
    const state = newState(new Map([['w', Float32Array.of(1, 2, 3)]]))
    const bytes = encodeState(state, 'one')
    const refused = (data: Uint8Array, message: RegExp, print = 'one') =>
      assert.throws(() => decodeState(data, print, 'best.train'), { name: 'InputError', message })
    refused(bytes, /best\.train: it belongs to a training with another model/, 'other')
    refused(new Uint8Array(0), /it is not a checkpoint/)
    refused(new TextEncoder().encode('{"a": 1}\n'), /it is not a checkpoint/)
    for (const missing of [1, 4, 12]) refused(bytes.subarray(0, -missing), /it is cut off/)
  })

  it('shares no numbers with the state that it is a copy of', () => {
    const state = newState(new Map([['w', Float32Array.of(1)]]))
    state.moments.set('w', [Float32Array.of(2)])
    const copy = cloneState(state)
    copy.values.get('w')?.fill(9)
    copy.moments.get('w')?.[0]?.fill(9)
    copy.history.push({ epoch: 0, loss: 1, rate: 1, seconds: 1 })
    assert.deepEqual([state.values.get('w')?.[0], state.moments.get('w')?.[0]?.[0], state.history.length], [1, 2, 0])
  })
})

describe('sums over the runs of a step', () => {
  it('are weighted sums of what came', () => {
    const sums = new Map<string, Float32Array>()
    addTo(sums, 'g', Float32Array.of(1, 2), 0.5)
    addTo(sums, 'g', Float32Array.of(4, 8), 0.25)
    addTo(sums, 'g', undefined, 1)
    addTo(sums, 'h', Float32Array.of(3), 1)
    addTo(sums, 'h', Float32Array.of(3), 2)
    assert.deepEqual([...(sums.get('g') ?? [])], [1.5, 3])
    assert.deepEqual([...(sums.get('h') ?? [])], [9])
  })

  it('of running statistics move towards the batch', () => {
    const running = Float32Array.of(0, 10)
    follow(running, Float32Array.of(1, 0), 0.9)
    assertNear(running, [0.1, 9], 1e-6)
    follow(running, undefined, 0.9)
    follow(undefined, running, 0.9)
    assertNear(running, [0.1, 9], 1e-6)
  })

  it('have a best score, of which NaN is none', () => {
    assert.equal(topOf([{ score: 0.2 }, { score: Number.NaN }, {}, { score: 0.7 }, { score: 0.1 }]), 0.7)
    assert.equal(topOf([{}, { score: Number.NaN }]), Number.NEGATIVE_INFINITY)
  })
})

describe('what is not finite', () => {
  const storeOf = (values: readonly number[]): SampleStore =>
    ({
      get: async (place: number) => ({
        inputs: { x: { dtype: 'float32', dims: [1], data: Float32Array.of(values[place] ?? 0) } },
        label: undefined,
      }),
      id: (place: number) => `s${place}`,
    }) as Partial<SampleStore> as SampleStore

  it('is a sample, by its name and that of its input', async () => {
    const weights = new Map([['w', Float32Array.of(1)]])
    const asked = refuseNonFinite(storeOf([1, Number.NaN]), [0, 1], weights)
    await assert.rejects(asked, {
      name: 'InputError',
      message: /tensor "x" is NaN for sample s1; nothing can be trained/,
    })
    await refuseNonFinite(storeOf([1, Number.NaN]), [0], weights)
  })

  it('is a weight, when it is no sample', async () => {
    for (const [value, said] of [
      [Number.NaN, 'NaN'],
      [Number.NEGATIVE_INFINITY, 'infinite values'],
    ] as const) {
      const weights = new Map([['w', Float32Array.of(1, value)]])
      await assert.rejects(
        refuseNonFinite(storeOf([1]), [0], weights),
        new RegExp(`weight "w" holds ${said}: the model`),
      )
    }
  })

  it('begins at the first value of the graph that is not', async () => {
    const model = tinyModel('x[N,2] -> Relu -> a -> Log -> b -> Exp -> y')
    const ask = async (value: number) =>
      firstNonFinite(await testRuntime(), model, {
        x: { dtype: 'float32', dims: [1, 2], data: Float32Array.of(value, 1) },
      })
    assert.equal(await ask(0), 'b')
    assert.equal(await ask(2), undefined)
    assert.equal(await ask(Number.POSITIVE_INFINITY), 'x')
  })
})

describe('what one run is fed', () => {
  const batch = {
    inputs: { x: { dtype: 'float32' as const, dims: [2, 1], data: Float32Array.of(1, 2) } },
    labels: BigInt64Array.of(3n, 4n),
    rowWeight: Float32Array.of(1, 1),
    sampleWeight: Float32Array.of(1, 0),
    rows: 2,
  }
  const parameters = [{ name: 'w', kind: 'weight' as const, dims: [1, 2], node: 'n', gradient: 'g' }]
  const values = new Map([['w', Float32Array.of(5, 6)]])
  const taught = { t: { dtype: 'float32' as const, dims: [2], data: Float32Array.of(7, 8) } }
  const fed = (needs: TrainingGraph['needs']) => feedsOf({ needs, parameters }, batch, taught, values)

  it('is the batch and what is trained, and more only when the loss needs it', () => {
    const nothing = { rows: 2, interleaved: false, labels: false, rowWeight: false, sampleWeight: false, teacher: [] }
    assert.deepEqual(Object.keys(fed(nothing)), ['x', 'w'])
    assert.deepEqual(fed(nothing)['w']?.dims, [1, 2])
    const all = {
      rows: 2,
      interleaved: false,
      labels: true,
      rowWeight: true,
      sampleWeight: true,
      teacher: ['t', 'absent'],
    }
    const more = fed(all)
    assert.equal(Object.keys(more).length, 6)
    assert.deepEqual(
      Object.values(more).map(({ dims }) => dims.join()),
      ['2,1', '2', '2', '2', '2', '1,2'],
    )
  })
})

describe('notes on what a training leaves', () => {
  const notes = (...untrained: [kind: 'weight' | 'scale', node: string][]) =>
    untrainedNotes({ untrained: untrained.map(([kind, node]) => ({ kind, node })) } as unknown as TrainingGraph)

  it('name the nodes once, five at most, and count the grids', () => {
    assert.deepEqual(notes(), [])
    assert.deepEqual(notes(['weight', 'a'], ['weight', 'a']), ['the loss does not depend on a: it stays as it is'])
    const six = notes(...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((node) => ['weight', node] as ['weight', string]))
    assert.deepEqual(six, ['the loss does not depend on a, b, c, d, e and 2 more: they stay as they are'])
    assert.deepEqual(notes(['scale', 'a']), ['1 grid that the loss does not reach stays as calibrated'])
    assert.equal(notes(['scale', 'a'], ['scale', 'b'], ['weight', 'c'])[1]?.startsWith('2 grids that'), true)
  })
})
