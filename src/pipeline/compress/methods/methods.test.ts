import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { testRuntime } from '../../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../../test/support/tiny-model.ts'
import { fitProducts } from '../../../compress/index.ts'
import { randomStream } from '../../../math/index.ts'
import { printModel, Tensor, writeModel } from '../../../onnx/index.ts'
import { parseRecipe } from '../../../recipe/index.ts'
import { observeShapes, type Values, withSession } from '../../../runtime/index.ts'
import { memoryCache } from '../../../search/index.ts'
import type { Budget } from '../budget.ts'
import { bytesBudget } from '../budgets/bytes.ts'
import { macsBudget } from '../budgets/macs.ts'
import { builderOf } from '../build.ts'
import { compress } from '../compress.ts'
import { compressModel } from '../compress-model.ts'
import type { Method } from '../method.ts'
import type { CompressModelOptions } from '../options.ts'
import { isRefusal, type Plan, planAt } from '../plan.ts'
import { prepare } from '../prepare.ts'
import type { Share } from '../problem.ts'
import { skeleton } from '../skeleton.ts'
import { methodsOf } from './index.ts'
import { manualMethod } from './manual.ts'
import { pruningMethod } from './pruning.ts'
import { splitMethod } from './splits.ts'

const MODEL = tinyModel(
  'x[N,8,12,12] -> Conv 3x3 8->16 pads=1,1,1,1 -> Relu -> r; r -> Conv 3x3 16->16 pads=1,1,1,1 -> a; r,a -> Add -> Relu -> GlobalAveragePool -> Flatten -> Gemm 16->10 transB=1 -> y',
)
const feeds = (seed: number): Values => {
  const random = randomStream(seed, 'inputs')
  const data = Float32Array.from({ length: 16 * 8 * 144 }, () => random.normal())
  return { x: { dtype: 'float32', dims: [16, 8, 12, 12], data } }
}
const share = (...seeds: number[]): Share => ({
  size: 16 * seeds.length,
  hasLabels: false,
  batches: async function* () {
    for (const seed of seeds)
      yield { ids: Array.from({ length: 16 }, (_, i) => `${seed}/${i}`), size: 16, inputs: feeds(seed) }
  },
})
const samples = { sample: feeds(1), fit: share(1, 2, 3, 4), judge: share(5) }

const runtime = await testRuntime()
const products = fitProducts(runtime)
after(async () => {
  await products.close()
})

async function problemOf(more: Partial<CompressModelOptions> = {}, budget: Budget = macsBudget([0.6])) {
  const { problem } = await prepare({ runtime, products }, MODEL, samples, { budget, methods: [], ...more })
  return problem
}

/** The plan of a method for a share of the cost, after it was written down and read again, and what it makes. */
async function made(method: Method, ratio: number, more: Partial<CompressModelOptions> = {}, budget?: Budget) {
  const problem = await problemOf(more, budget)
  const plan = planAt((await method.candidates(problem)).plansAt, ratio)
  assert.ok(plan, `${ratio} is in reach`)
  const stored = JSON.parse(JSON.stringify(plan)) as Plan
  assert.deepEqual(stored, plan, 'a plan is data')
  return { plan, problem, ...(await builderOf(problem, [method])(stored)) }
}

const macsOf = async (model: Parameters<typeof observeShapes>[1]) => {
  const shapes = await observeShapes(runtime, model, samples.sample)
  return [...shapes].map(([name, { dims }]) => `${name} ${dims}`)
}

describe('a method', () => {
  for (const [name, method] of [
    ['splits', splitMethod()],
    ['pruning', pruningMethod({ order: 'backward' })],
  ] as const)
    it(`finds plans within a share and builds models that run: ${name}`, async () => {
      const { plan, model, bytes, layers, problem } = await made(method, 0.6)
      assert.equal(plan.method, name)
      assert.ok(plan.ratio <= 0.6 && plan.ratio > 0.45, `${plan.ratio}`)
      const { y } = await withSession(runtime, bytes, {}, (session) => session.run(samples.sample))
      assert.deepEqual(y?.dims, [16, 10])
      assert.ok(layers.some((layer) => layer.choice || layer.channels))
      // What is timed in its place has the same layers.
      assert.deepEqual((await macsOf(skeleton(problem, plan))).sort(), (await macsOf(model)).sort())
    })

  it('says in one sentence why a share is out of reach', async () => {
    const problem = await problemOf()
    for (const method of [splitMethod(), pruningMethod({ order: 'magnitude' })]) {
      const [found] = (await method.candidates(problem)).plansAt([0.001])
      assert.ok(found && isRefusal(found))
      assert.match(found.refused, /^0.001 of the MACs cannot be reached .*the nearest is 0\.\d+/)
    }
  })

  it('leaves layers that are kept, and keeps to multiples', async () => {
    const more = { keepLayer: ['Conv_v1'], multiple: 4 }
    const { plan } = await made(splitMethod({ family: 'spatial-svd' }), 0.8, more)
    assert.deepEqual(Object.keys(plan.splits), ['Conv_a'])
    assert.equal((plan.splits['Conv_a']?.rank ?? 1) % 4, 0)
    await assert.rejects(problemOf({ keepLayer: ['nobody'] }), /there is no such layer; the layers are Conv_v1/)
  })

  it('counts what the budget counts', async () => {
    const { plan, model } = await made(splitMethod({ family: 'weight-svd' }), 0.7, {}, bytesBudget([0.7]))
    assert.ok(plan.ratio <= 0.7)
    const bytes = (one: typeof model) =>
      [...one.graph.initializers.values()].reduce((sum, { size }) => sum + 4 * size, 0)
    assert.ok(bytes(model) < 0.8 * bytes(MODEL), `${bytes(model)} of ${bytes(MODEL)}`)
  })

  it('needs no data where weights alone decide', async () => {
    for (const method of [splitMethod(), pruningMethod({ order: 'backward' })]) {
      const [one, other] = [await made(method, 0.7, { plain: true }), await made(method, 0.7, { plain: true, seed: 9 })]
      assert.deepEqual(one.bytes, other.bytes)
    }
  })

  it('looks at the samples that judge where losses are measured, and counts its evaluations', async () => {
    const problem = await problemOf()
    const method = splitMethod({ loss: 'usual', select: 'greedy', monotone: true })
    assert.ok(method.judges && !splitMethod().judges)
    let read = 0
    const judge: Share = {
      ...samples.judge,
      batches: (...of) => {
        read++
        return samples.judge.batches(...of)
      },
    }
    const { evaluations, notes } = await method.candidates({ ...problem, judge })
    assert.equal(read, 1)
    assert.ok(evaluations > 10)
    assert.match(notes.at(-1) ?? '', new RegExp(`looked at ${evaluations} candidates, ${evaluations} of them`))
  })
})

describe('a plan by hand', () => {
  const byHand = (json: unknown) => manualMethod({ json, file: 'plan.json', family: 'auto', order: 'magnitude' })

  it('makes splits and channels of one model', async () => {
    const json = { Conv_v1: { channels: 12 }, Conv_a: { split: 'horizontal-vertical', rank: 6 } }
    const { plan, layers } = await made(byHand(json), 1)
    assert.deepEqual(plan.splits, { Conv_a: { split: 'horizontal-vertical', rank: 6 } })
    // One residual group: both write the channels that are taken out.
    assert.deepEqual([plan.channels['Conv_v1']?.length, plan.channels['Conv_a']?.length], [12, 12])
    const split = layers.find(({ name }) => name === 'Conv_a')
    assert.deepEqual([split?.choice?.rank, split?.inputs?.after], [6, 12])
  })

  it('names the entry that is wrong', async () => {
    const problem = await problemOf()
    const wrong = (json: unknown) => byHand(json).candidates(problem)
    await assert.rejects(wrong([]), /plan.json must hold one JSON object/)
    await assert.rejects(wrong({ nobody: 3 }), /names a layer "nobody"/)
    await assert.rejects(wrong({ Conv_a: 4000 }), /takes a rank from 1 to \d+, got 4000/)
    await assert.rejects(wrong({ Conv_a: { split: 'sideways', rank: 3 } }), /cannot be split by "sideways"; it allows/)
  })
})

describe('the methods of a recipe', () => {
  const names = (more: object, budget: Budget, model = MODEL) =>
    methodsOf(parseRecipe('compress', { model: 'm', data: 'd', ...more }), budget, model, {}).map(({ name }) => name)
  it('are both where time counts or there is attention, and splits alone elsewhere', () => {
    const attention = tinyModel(
      'x[N,5,8] -> MatMul 8->8 -> q; x -> MatMul 8->8 -> k; q -> Reshape ints(0,5,2,4) -> Transpose perm=0,2,1,3 -> a; k -> Reshape ints(0,5,2,4) -> Transpose perm=0,2,3,1 -> b; a -> MatMul =b -> y',
    )
    assert.deepEqual(names({}, macsBudget([0.5]), attention), ['splits', 'pruning'])
    assert.deepEqual(names({}, { ...macsBudget([0.5]), looksAt: 'scores' }, attention), ['splits'])
    const times: Budget = { ...macsBudget([0.5]), looksAt: 'times' }
    assert.deepEqual(names({}, macsBudget([0.5])), ['splits'])
    assert.deepEqual(names({}, times), ['splits', 'pruning'])
    assert.deepEqual(names({ method: 'weight-svd' }, times), ['splits'])
    assert.deepEqual(names({ method: 'prune' }, times), ['pruning'])
    assert.deepEqual(names({ manual: 'plan.json' }, times), ['manual'])
  })
})

describe('a compression in memory', () => {
  it('measures on the samples of the report, refuses what is too far, and hands out what is not', async () => {
    const handed: (number | undefined)[] = []
    const options = { budget: macsBudget([0.8, 0.5]), methods: [splitMethod()], keepDead: true }
    const before = printModel(MODEL)
    const outcome = await compressModel(
      runtime,
      MODEL,
      { ...samples, report: share(6) },
      {
        ...options,
        refuse: ({ samples: count, sqnrDb }) =>
          count === 16 && (sqnrDb['y'] ?? 99) < 99 ? 'never good enough' : undefined,
        force: true,
        onResult: async ({ target }) => void handed.push(target),
      },
    )
    assert.deepEqual(handed, [0.8, 0.5])
    for (const { measures, forced, bytes, model } of outcome.points) {
      assert.equal(measures.comparison.samples, 16)
      assert.equal(forced, 'never good enough')
      assert.ok(measures.macs.after < 0.81 * measures.macs.before)
      assert.ok(bytes.byteLength > 0 && writeModel(model).byteLength > 0)
    }
    assert.equal(printModel(MODEL), before, 'the model that was given is not changed')
    const refuse = () => 'it is far'
    await assert.rejects(
      compressModel(runtime, MODEL, { ...samples, report: share(6) }, { ...options, refuse }),
      /^RefusedError: 0.8 of the MACs is refused: it is far; .*; 0.5 of the MACs is refused: it is far/,
    )
  })

  it('prunes, and takes out what never changes first', async () => {
    // Half of the first layer's channels are constant.
    const first = MODEL.graph.initializers.get('v1/weight') ?? [...MODEL.graph.initializers.values()][0]
    assert.ok(first)
    const name = [...MODEL.graph.initializers].find(([, tensor]) => tensor === first)?.[0] ?? ''
    const values = first.floats().slice()
    values.fill(0, 0, values.length / 2)
    const initializers = new Map(MODEL.graph.initializers).set(name, Tensor.from('float32', first.shape, values))
    const dead = { ...MODEL, graph: { ...MODEL.graph, initializers } }
    const given = [feeds(1), feeds(2)]
    const { model, ratio } = await compress(runtime, dead, given, { ratio: 0.9, method: 'prune' })
    assert.ok(ratio <= 0.9)
    const kept = await compress(runtime, dead, given, { ratio: 0.9, method: 'prune', keepDead: true })
    const size = (one: typeof model) => writeModel(one).byteLength
    assert.ok(size(model) <= size(kept.model), `${size(model)} and ${size(kept.model)}`)
  })

  it('makes nothing twice with the memory of an earlier run', async () => {
    const models = new Map<string, Uint8Array>()
    const memory = {
      cache: memoryCache(),
      digest: (parts: Iterable<string | Uint8Array>) => String([...parts].length),
      readModel: async (key: string) => models.get(key),
      keepModel: async (key: string, bytes: Uint8Array) => void models.set(key, bytes),
    }
    const steps = new Set<string>()
    const options = () => ({
      ...{ budget: macsBudget([0.6]), methods: [splitMethod({ loss: 'kl' })], host: { memory } },
      progress: ({ step }: { step: string }) => void steps.add(step),
    })
    const first = await compressModel(runtime, MODEL, samples, options())
    assert.ok(first.evaluations > 0 && steps.has('refit'))
    steps.clear()
    const second = await compressModel(runtime, MODEL, samples, options())
    assert.equal(second.evaluations, 0)
    assert.ok(!steps.has('refit'), [...steps].join())
    assert.deepEqual(second.points[0]?.bytes, first.points[0]?.bytes)
  })
})
