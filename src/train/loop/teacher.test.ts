import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../../test/support/assert-near.ts'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import type { ProgressEvent, TensorValue } from '../../base/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { reportStep } from './report-step.ts'
import { newState } from './state.ts'
import { withTeacher } from './teacher.ts'

const batchOf = (...values: number[]): { x: TensorValue } => ({
  x: { dtype: 'float32', dims: [values.length, 1], data: Float32Array.from(values) },
})
/** h = 2x, y = h + 1 */
const model = () => tinyModel('x[N,1] -> Mul number(2) -> h!; h -> Add number(1) -> y')

/** The test runtime, counting the models that it opens and their runs. */
async function counted(): Promise<{ readonly runtime: Runtime; readonly opened: string[]; runs: number }> {
  const real = await testRuntime()
  const counts = { opened: [] as string[], runs: 0 }
  const open: Runtime['open'] = async (given, options) => {
    counts.opened.push(options?.label ?? '')
    const session = await real.open(given, options)
    return new Proxy(session, {
      get: (target, key) => {
        if (key === 'run') counts.runs++
        const found: unknown = Reflect.get(target, key)
        return typeof found === 'function' ? found.bind(target) : found
      },
    })
  }
  return Object.assign(counts, {
    runtime: new Proxy(real, { get: (target, key) => (key === 'open' ? open : Reflect.get(target, key)) }),
  })
}

describe('the teacher of a training', () => {
  it('answers for the values that are asked for, also inner ones', async () => {
    const taught = await withTeacher(await testRuntime(), { model: model(), values: ['h', 'y'], batch: 2 }, (teacher) =>
      teacher.run([0, 1], batchOf(1, 5), false),
    )
    assert.deepEqual([...(taught['h']?.data as Float32Array), ...(taught['y']?.data as Float32Array)], [2, 10, 3, 11])
  })

  it('computes a sample once where samples stay, whatever batch it comes in', async () => {
    const counts = await counted()
    await withTeacher(counts.runtime, { model: model(), values: ['y'], batch: 2 }, async (teacher) => {
      await teacher.run([0, 1], batchOf(1, 5), true)
      await teacher.run([2, 3], batchOf(7, 9), true)
      assert.equal(counts.runs, 2)
      const mixed = await teacher.run([3, 0], batchOf(9, 1), true)
      assert.deepEqual(mixed['y'], { dtype: 'float32', dims: [2, 1], data: Float32Array.of(19, 3) })
      const short = await teacher.run([2], batchOf(7, 7), true)
      assert.equal((short['y']?.data as Float32Array)[0], 15)
      assert.equal(counts.runs, 2, 'both were known')
      await teacher.run([0, 4], batchOf(1, 2), true)
      assert.equal(counts.runs, 3, 'one of them was new')
    })
    assert.deepEqual(counts.opened, ['the teacher'])
  })

  it('computes anew what is moved or mixed, and forgets it', async () => {
    const counts = await counted()
    await withTeacher(counts.runtime, { model: model(), values: ['y'], batch: 2 }, async (teacher) => {
      const answers = async (keep: boolean, ...values: number[]) => [
        ...((await teacher.run([0, 1], batchOf(...values), keep))['y']?.data as Float32Array),
      ]
      assert.deepEqual(await answers(false, 2, 6), [5, 13])
      assert.deepEqual(await answers(true, 1, 5), [3, 11], 'what was moved is not what stays')
      assert.deepEqual(await answers(false, 3, 7), [7, 15], 'what stays is not what was moved')
      assert.deepEqual(await answers(true, 1, 5), [3, 11])
    })
    assert.equal(counts.runs, 3)
  })

  it('is not even opened when nothing is asked of it', async () => {
    const counts = await counted()
    const taught = await withTeacher(counts.runtime, { model: model(), values: [], batch: 2 }, (teacher) =>
      teacher.run([0], batchOf(1), true),
    )
    assert.deepEqual([taught, counts.opened], [{}, []])
  })
})

describe('the news of a step', () => {
  const now = { loss: 0.123456, steps: 40, rate: 0.01, samplesPerSecond: 1234.5 }
  function told(score?: number): ProgressEvent {
    const events: ProgressEvent[] = []
    const history = score === undefined ? [] : [{ epoch: 0, loss: 1, score, rate: 0.01, seconds: 1 }]
    reportStep({ progress: (event) => events.push(event) }, { ...newState(new Map()), step: 7, epoch: 1, history }, now)
    assert.equal(events.length, 1)
    return events[0]!
  }

  it('has its numbers for programs and a line for people', () => {
    const event = told(0.98765)
    assert.equal(event.message, 'epoch 2, loss 0.1235, score 0.9877, 1.23e+3 samples/s')
    assert.deepEqual([event.step, event.done, event.total], ['train', 7, 40])
    assert.deepEqual(event.values, { loss: 0.123456, epoch: 2, rate: 0.01, samplesPerSecond: 1234.5, score: 0.98765 })
  })

  it('has no score before the first epoch was judged, nor one that JSON cannot hold', () => {
    assert.equal(told().message, 'epoch 2, loss 0.1235, 1.23e+3 samples/s')
    assert.equal('score' in (told().values ?? {}), false)
    assert.equal('score' in (told(Number.NEGATIVE_INFINITY).values ?? {}), false)
    assertNear([told(0.5).values?.['score'] ?? 0], [0.5], 0)
  })
})
