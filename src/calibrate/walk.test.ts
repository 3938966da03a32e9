import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { rootModel } from '../../test/support/root-model.ts'
import { sequenceModel } from '../../test/support/runtime-models.ts'
import type { TensorValue } from '../base/index.ts'
import { withSpillFolder } from '../runtime/index.node.ts'
import { observeShapes } from '../runtime/index.ts'
import { layerSqnrVisitor } from './layer-sqnr.ts'
import { LiveValues } from './live-values.ts'
import { type StopView, walk } from './walk.ts'

const sample = (from: number) => ({
  x: { dtype: 'float32' as const, dims: [1, 2, 3, 3], data: Float32Array.from({ length: 18 }, (_, i) => i + from) },
})

describe('the two-stream walk', async () => {
  const runtime = await testRuntime()
  const float = rootModel(2)
  const samples = [sample(1), sample(2)]
  const shapes = await observeShapes(runtime, float, sample(1))
  const stops = ['m', 's', 'm2'].map((value) => ({ name: value, value }))
  const differs = (a: readonly TensorValue[], b: readonly TensorValue[]) =>
    a.some((value, batch) => value.data.some((x, i) => Math.abs(Number(x) - Number(b[batch]?.data[i])) > 1e-6))

  it('shows both streams at each stop', async () => {
    const visitor = layerSqnrVisitor()
    await walk(runtime, float, rootModel(2.2), { stops, batches: samples, visitor, shapes })
    assert.deepEqual(
      visitor.results.map(({ name }) => name),
      ['m', 's', 'm2'],
    )
    assert.ok(Math.abs((visitor.results[0]?.sqnrDb ?? 0) - 20) < 1e-3, 'a tenth off is 20 dB')
  })

  it('goes on with the values that a visitor puts into the changed stream', async () => {
    const seen: boolean[] = []
    const visit = async ({ index, value, ...view }: StopView) => {
      const [a, b] = [await view.float(value), await view.changed(value)]
      seen.push(differs(a, b))
      if (index === 0) view.replace(value, a)
    }
    await walk(runtime, float, rootModel(2.2), { stops, batches: samples, visitor: { visit }, shapes })
    assert.deepEqual(seen, [true, false, false], 'repaired at the first stop, equal from then on')
  })

  it('goes on with the model that a visitor hands over before the stop was computed', async () => {
    const seen: boolean[] = []
    const result = await walk(runtime, float, rootModel(2.2), {
      ...{ stops, batches: samples, shapes },
      visitor: {
        visit: async ({ index, value, float: a, changed: b, change }) => {
          if (index === 0) change(float)
          seen.push(differs(await a(value), await b(value)))
        },
      },
    })
    assert.deepEqual(seen, [false, false, false])
    assert.equal(result, float)
  })

  it('gives what a stop is made of, and what later stops need, at any time', async () => {
    const asked: number[] = []
    await walk(runtime, float, float, {
      ...{ stops: stops.slice(2), batches: samples, shapes },
      visitor: {
        visit: async ({ value, float: values }) => {
          for (const name of ['m', 's', 'x', value]) asked.push((await values(name)).length)
        },
      },
    })
    assert.deepEqual(asked, [2, 2, 2, 2])
  })

  it('makes a sequence again where a later stage reads it: it cannot be kept', async () => {
    const model = sequenceModel()
    const x = { dtype: 'float32' as const, dims: [1, 4], data: Float32Array.of(-1, 2, 3, 4) }
    const own = await observeShapes(runtime, model, { x })
    const seen: number[][] = []
    const visit = async ({ value, float: values }: StopView) => {
      seen.push([...((await values(value))[0]?.data as Float32Array)])
    }
    const places = ['a', 'y'].map((value) => ({ name: value, value }))
    await walk(runtime, model, model, {
      stops: places,
      batches: [{ x }],
      visitor: { visit },
      shapes: own,
      simulate: false,
    })
    assert.deepEqual(seen, [
      [0, 2],
      [3, 6],
    ])
  })

  it('keeps values on disk when memory is short, and leaves nothing behind', async () => {
    await withSpillFolder(async (spill) => {
      const live = new LiveValues('p', spill, 100)
      for (const batch of [0, 1, 2]) await live.set(batch, 'x', sample(batch).x)
      for (const batch of [0, 1, 2]) assert.deepEqual(await live.get(batch, 'x'), sample(batch).x)
      await live.close()
      await assert.rejects(spill.read('p0:x'), /no value/)
    })
  })
})
