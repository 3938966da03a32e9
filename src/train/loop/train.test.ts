import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { CancelledError, type ProgressEvent } from '../../base/index.ts'
import type { Dataset } from '../../data/index.ts'
import { randomStream } from '../../math/index.ts'
import { finetune } from '../finetune.ts'
import { crossEntropy, distillation, type LossTerm } from '../loss/terms.ts'
import { muon, type Optimizer, sgd } from '../optimizers/optimizer.ts'
import { constant } from '../optimizers/schedule.ts'
import { floatTrainableModel } from '../trainable-model.ts'
import { reestimateStatistics } from './re-estimate.ts'
import { SampleStore } from './sample-store.ts'
import { decodeState, encodeState, type TrainState } from './state.ts'
import { train } from './train.ts'

/** Pictures of 6×6 whose brighter half, upper or lower, is the label. */
function halves(size: number, broken = -1): Dataset {
  return {
    name: 'halves',
    size,
    hasLabels: true,
    classes: 2,
    notes: [],
    id: (index) => `half ${index}`,
    sample: async (index) => {
      const random = randomStream(index, 'half')
      const label = index % 2
      const data = Float32Array.from({ length: 36 }, (_, i) => random.normal() + (Math.floor(i / 18) === label ? 1 : 0))
      if (index === broken) data[3] = Number.NaN
      return { id: `half ${index}`, inputs: { x: { dtype: 'float32', dims: [1, 1, 6, 6], data } }, label }
    },
  }
}

const net = () =>
  tinyModel(
    'x[N,1,6,6] -> Conv 3x3 1->4 pads=1,1,1,1 -> BatchNormalization -> Relu -> MaxPool 2x2 strides=2,2 -> Flatten -> Gemm 36->2 -> y',
  )

const all = (count: number) => Array.from({ length: count }, (_, i) => i)

async function trained(options: {
  epochs?: number
  batch?: number
  graphBatch?: number
  dataset?: Dataset
  loss?: LossTerm[]
  mode?: 'frozen' | 'training'
  resume?: TrainState
  rate?: number
  signal?: AbortSignal
  progress?: (event: ProgressEvent) => void
  scores?: readonly number[]
  tolerance?: number
  patience?: number
  checkpoint?: (state: TrainState) => Promise<void>
  optimizer?: Optimizer
}) {
  const { epochs = 2, batch = 10, dataset = halves(36), mode = 'training', loss = [crossEntropy()] } = options
  const sample = (await dataset.sample(0)).inputs
  const trainable = await floatTrainableModel(await testRuntime(), net(), sample, {
    train: 'all',
    batch: options.graphBatch ?? batch,
    batchNorm: mode,
    loss,
    fromScratch: 1,
  })
  const scores = [...(options.scores ?? [])]
  const result = await train(await testRuntime(), trainable, new SampleStore(dataset, all(dataset.size)), {
    ...(options.scores ? { score: async () => scores.shift() ?? Number.NaN } : {}),
    tolerance: () => options.tolerance ?? 0,
    patience: options.patience,
    epochs,
    batch,
    rate: options.rate ?? 0.05,
    optimizer: options.optimizer ?? sgd({ momentum: 0.9 }),
    schedule: constant,
    seed: 0,
    classes: 2,
    resume: options.resume,
    signal: options.signal,
    checkpoint: options.checkpoint,
    progress: options.progress,
  })
  return { trainable, result }
}

const bits = (values: ReadonlyMap<string, Float32Array>) => [...values].map(([name, array]) => [name, [...array]])

describe('training', () => {
  it('gives the same bits for the same seed', async () => {
    const [a, b] = [await trained({}), await trained({})]
    assert.deepEqual(bits(a.result.values), bits(b.result.values))
    assert.notDeepEqual(bits(a.result.values), bits(a.trainable.initial))
  })

  it('tells loss, rate, epoch and speed as numbers at every step', async () => {
    const events: ProgressEvent[] = []
    const { result } = await trained({ progress: (event) => events.push(event) })
    const told = events.flatMap(({ step, values }) => (step === 'train' && values ? [values] : []))
    assert.equal(told.length, result.steps)
    assert.deepEqual(
      told.map(({ loss }) => loss),
      result.losses.map(({ loss }) => loss),
    )
    assert.deepEqual([told[0]?.['epoch'], told.at(-1)?.['epoch']], [1, 2])
    assert.ok(
      told.every((values) => Object.values(values).every(Number.isFinite) && values['samplesPerSecond']! > 0),
      'a number is missing',
    )
  })

  it('keeps the best epoch, the last of those that chance could explain', async () => {
    const best = async (scores: number[], tolerance: number) => {
      const { result } = await trained({ epochs: scores.length, scores, tolerance })
      return result.best?.epoch
    }
    assert.equal(await best([0.5, 0.9, 0.88, 0.7], 0), 2)
    assert.equal(await best([0.5, 0.9, 0.88, 0.7], 0.05), 3)
    assert.equal(await best([0.9, 0.87, 0.84], 0.04), 2)
    assert.equal(await best([Number.NaN, 0.5, Number.NaN], 0.1), 2)
  })

  it('stops when the top score is too long ago', async () => {
    const { result } = await trained({ epochs: 5, scores: [0.5, 0.9, 0.88, 0.87, 0.95], tolerance: 0.05, patience: 2 })
    assert.equal(result.history.length, 4)
  })

  it('resumes to the same bits, after an epoch and in the middle of one', async () => {
    const whole = await trained({ epochs: 3 })
    const states: TrainState[] = []
    await trained({
      epochs: 1,
      checkpoint: async (state) => void states.push(decodeState(encodeState(state, 'f'), 'f', 'memory')),
    })
    const resumed = await trained({ epochs: 3, resume: states[0]! })
    assert.deepEqual(bits(resumed.result.values), bits(whole.result.values))

    const abort = new AbortController()
    const dataset = halves(36)
    let reads = 0
    const stopping: Dataset = {
      ...dataset,
      id: dataset.id,
      sample: (index) => {
        // The last new sample of the second step: the signal comes while a step is on its way.
        if (++reads === 16) abort.abort()
        return dataset.sample(index)
      },
    }
    const saved: TrainState[] = []
    await assert.rejects(
      trained({
        epochs: 3,
        dataset: stopping,
        signal: abort.signal,
        checkpoint: async (state) => void saved.push(decodeState(encodeState(state, 'f'), 'f', 'memory')),
      }),
      CancelledError,
    )
    assert.equal(saved.length, 1)
    assert.ok(saved[0]!.stepInEpoch > 0, 'stopped before the first step')
    const rest = await trained({ epochs: 3, resume: saved[0]! })
    assert.deepEqual(bits(rest.result.values), bits(whole.result.values))
  })

  it('with Muon learns, keeps one moment a matrix and two of the rest, and resumes to the same bits', async () => {
    const common = { optimizer: muon(), rate: 0.02 }
    const whole = await trained({ ...common, epochs: 4 })
    const [first, last] = [whole.result.history[0]?.loss ?? 0, whole.result.history.at(-1)?.loss ?? 1]
    assert.ok(last < 0.8 * first, `the loss fell from ${first} to ${last}`)
    const states: TrainState[] = []
    const checkpoint = async (state: TrainState) =>
      void states.push(decodeState(encodeState(state, 'f'), 'f', 'memory'))
    await trained({ ...common, epochs: 1, checkpoint })
    const counts = [...(states[0]?.moments ?? [])].map(([name, list]) => [name, list.length])
    const isGemm = (name: unknown) =>
      whole.trainable.graph.parameters.some((p) => p.name === name && p.dims.length === 2)
    // The Conv has one input channel: its filters are rows of nine numbers, a matrix like the Gemm's.
    const isConv = (name: unknown) =>
      whole.trainable.graph.parameters.some((p) => p.name === name && p.dims.length === 4)
    for (const [name, count] of counts) assert.equal(count, isGemm(name) || isConv(name) ? 1 : 2, String(name))
    const resumed = await trained({ ...common, epochs: 4, resume: states[0]! })
    assert.deepEqual(bits(resumed.result.values), bits(whole.result.values))
  })

  it('averages the gradients of several runs where the graph takes a smaller batch', async () => {
    const [whole, parts] = [await trained({ mode: 'frozen' }), await trained({ mode: 'frozen', graphBatch: 4 })]
    for (const [name, array] of whole.result.values)
      for (const [i, value] of (parts.result.values.get(name) ?? []).entries())
        assert.ok(Math.abs(value - array[i]!) < 1e-4, `${name}[${i}]: ${value} and ${array[i]}`)
  })

  it('learns one batch by heart', async () => {
    const { result } = await trained({ epochs: 60, dataset: halves(10), mode: 'frozen' })
    assert.ok(result.history.at(-1)!.loss < 0.02, `loss ${result.history.at(-1)!.loss}`)
  })

  it('updates the running statistics of BatchNormalization', async () => {
    const { trainable, result } = await trained({})
    for (const { mean } of trainable.graph.batchNorms)
      assert.notDeepEqual([...result.values.get(mean)!], [...trainable.initial.get(mean)!])
  })

  it('re-estimates them by pooling moments: as one batch of all samples has them', async () => {
    const dataset = halves(36)
    const { trainable, result } = await trained({ dataset, batch: 12 })
    const store = new SampleStore(dataset, all(36))
    const pooled = await reestimateStatistics(
      await testRuntime(),
      { graph: trainable.graph, values: result.values },
      store,
      0,
    )
    const whole = await floatTrainableModel(await testRuntime(), net(), (await dataset.sample(0)).inputs, {
      train: 'all',
      batch: 36,
      batchNorm: 'training',
      loss: [crossEntropy()],
    })
    const expected = await reestimateStatistics(
      await testRuntime(),
      { graph: whole.graph, values: result.values },
      store,
      1,
    )
    for (const { mean, variance } of trainable.graph.batchNorms)
      for (const name of [mean, variance])
        for (const [c, value] of pooled.get(name)!.entries())
          assert.ok(Math.abs(value - expected.get(name)![c]!) < 1e-4 * Math.max(1, value), `${name}[${c}]: ${value}`)
  })

  it('names the first tensor that is not finite, after halving the learning rate three times', async () => {
    await assert.rejects(trained({ rate: 1e30 }), /"[^"]+" is NaN or infinite, also after .* halved 3 times/)
  })

  it('names the sample that is not finite at once: no learning rate makes up for it', async () => {
    await assert.rejects(
      trained({ dataset: halves(36, 7) }),
      /tensor "x" is NaN for sample half 7; nothing can be trained/,
    )
  })

  it('pads the last batch with samples that count nothing', async () => {
    const dataset = halves(4)
    const [alone, padded] = [
      await trained({ dataset, batch: 4, mode: 'frozen', epochs: 1 }),
      await trained({ dataset, batch: 9, mode: 'frozen', epochs: 1 }),
    ]
    for (const [name, array] of alone.result.values)
      for (const [i, value] of (padded.result.values.get(name) ?? []).entries())
        assert.ok(Math.abs(value - array[i]!) < 1e-5, `${name}[${i}]: ${value} and ${array[i]}`)
  })
})

describe('fine-tuning', () => {
  it('keeps the model as it came when no epoch was better', async () => {
    const dataset = halves(40)
    const sample = (await dataset.sample(0)).inputs
    const trainable = await floatTrainableModel(await testRuntime(), net(), sample, {
      train: 'all',
      batch: 8,
      batchNorm: 'frozen',
      loss: [crossEntropy()],
      fromScratch: 2,
    })
    const good = await finetune(
      await testRuntime(),
      trainable,
      { dataset, indices: all(40), validation: { dataset, indices: all(40) } },
      { epochs: 20, batch: 8, rate: 0.02, seed: 0 },
    )
    assert.ok(good.result.best!.score > 0.9, `score ${good.result.best!.score}`)
    // From there with a rate that destroys everything.
    const again = await floatTrainableModel(await testRuntime(), good.model, sample, {
      train: 'all',
      batch: 8,
      batchNorm: 'frozen',
      loss: [crossEntropy()],
    })
    const bad = await finetune(
      await testRuntime(),
      again,
      { dataset, indices: all(40), validation: { dataset, indices: all(40) } },
      { epochs: 1, batch: 8, rate: 30, optimizer: sgd(), schedule: constant, seed: 0 },
    )
    assert.ok(bad.result.best!.score < bad.before!)
    assert.deepEqual(
      [...bad.model.graph.initializers.values()].map((tensor) => tensor.numbers()),
      [...again.exported(again.initial).graph.initializers.values()].map((tensor) => tensor.numbers()),
    )
  })

  it('trains biases alone towards a teacher, without labels', async () => {
    const dataset: Dataset = { ...halves(40), hasLabels: false, id: (i) => `${i}`, sample: halves(40).sample }
    const sample = (await dataset.sample(0)).inputs
    const teacher = net()
    const student = await floatTrainableModel(await testRuntime(), teacher, sample, {
      train: 'biases',
      batch: 8,
      batchNorm: 'frozen',
      loss: [distillation()],
      teacher,
      fromScratch: undefined,
    })
    for (const { kind } of student.graph.parameters) assert.equal(kind, 'bias')
    const moved = new Map([...student.initial].map(([name, array]) => [name, array.map((x) => x + 0.5)]))
    const tuned = await finetune(
      await testRuntime(),
      { ...student, initial: moved },
      { dataset, indices: all(30), validation: { dataset, indices: [30, 31, 32, 33, 34, 35] } },
      { epochs: 10, batch: 8, rate: 0.05, seed: 0, teacher },
    )
    assert.equal(tuned.scoreName, 'SQNR')
    assert.ok(tuned.result.best!.score > tuned.before! + 3, `${tuned.before} → ${tuned.result.best!.score} dB`)
  })

  it('says which operator has no gradient, and on which path', async () => {
    const model = tinyModel('x[N,1,6,6] -> Conv 3x3 1->4 -> Det -> Flatten -> Gemm 4->2 -> y')
    await assert.rejects(
      floatTrainableModel(await testRuntime(), model, (await halves(2).sample(0)).inputs, {
        train: 'all',
        batch: 2,
        batchNorm: 'frozen',
        loss: [crossEntropy()],
      }),
      /cannot train "v1_weight": node "Det_v2" is a Det, which has no gradient rule, and lies on the path v1_weight → Conv_v1 → Det_v2/,
    )
  })
})

describe('a checkpoint', () => {
  it('is refused when it belongs to another training, or is cut off', async () => {
    const states: TrainState[] = []
    await trained({ epochs: 1, checkpoint: async (state) => void states.push(state) })
    const bytes = encodeState(states[0]!, 'this one')
    assert.throws(
      () => decodeState(bytes, 'another', 'a.checkpoint'),
      /a.checkpoint: it belongs to a training with another/,
    )
    assert.throws(() => decodeState(bytes.slice(0, -4), 'this one', 'a.checkpoint'), /it is cut off/)
    assert.throws(() => decodeState(new Uint8Array(9), 'this one', 'a.checkpoint'), /it is not a checkpoint/)
  })
})
