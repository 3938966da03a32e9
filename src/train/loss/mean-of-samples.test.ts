import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { assertNear } from '../../../test/support/assert-near.ts'
import { run, testRuntime } from '../../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { GraphEditor, makeModel } from '../../onnx/index.ts'
import { Emitter } from '../graph/emitter.ts'
import { TRAINING_OPSET } from '../training-opset.ts'
import { features } from './features.ts'
import { meanOfSamples } from './mean-of-samples.ts'
import { outputNoise } from './output-noise.ts'
import { type LossSite, outputSquares } from './terms.ts'
import { userLoss } from './user-loss.ts'

/** A graph without nodes, for constants and what is made of them. */
function emitter(): Emitter {
  const empty = makeModel({ name: 'loss', nodes: [], inputs: [], outputs: [] })
  empty.opsets.set('', TRAINING_OPSET)
  return new Emitter(new GraphEditor(empty), new Map())
}

/** The one number that is built. */
async function numberOf(g: Emitter, value: string): Promise<number> {
  g.editor.graph.outputs.push({ name: value, dtype: 'float32' })
  const { data, dims } = (await run(g.editor.finish(), {}))[value] ?? { data: [], dims: [9] }
  assert.deepEqual([...dims], [])
  return Number(data[0])
}

type Rows = { readonly dims: readonly number[]; readonly values: readonly number[] }

async function meanOf({ dims, values }: Rows, weights: readonly number[]): Promise<number> {
  const g = emitter()
  const made = meanOfSamples(g, g.floats(dims, values), g.floats([weights.length], weights), 'h')
  return numberOf(g, made)
}

describe('the mean over samples', () => {
  it('counts samples by their weights, and padding not at all', async () => {
    const dims = [3, 2]
    assertNear([await meanOf({ dims, values: [1, 3, 5, 7, 100, 200] }, [1, 1, 0])], [4], 1e-6)
    assertNear([await meanOf({ dims, values: [1, 3, 5, 7, 100, 200] }, [3, 1, 0])], [(3 * 2 + 6) / 4], 1e-6)
  })

  it('finds samples along the second axis where the first is time', async () => {
    // 3 steps of 2 samples: the second counts nothing.
    assertNear([await meanOf({ dims: [3, 2], values: [1, 50, 2, 60, 6, 70] }, [1, 0])], [3], 1e-6)
  })

  it('takes several rows a sample, and all of a single one', async () => {
    assertNear([await meanOf({ dims: [4, 1], values: [1, 3, 50, 70] }, [1, 0])], [2], 1e-6)
    assertNear([await meanOf({ dims: [3, 2, 1], values: [1, 2, 3, 4, 5, 9] }, [1])], [4], 1e-6)
  })

  it('is refused where there is no row a sample', async () => {
    await assert.rejects(meanOf({ dims: [3, 5], values: new Array(15).fill(1) }, [1, 1]), {
      name: 'UnsupportedError',
      message: 'the loss on "h" needs one row a sample: its shape is [3,5] for 2 samples',
    })
  })
})

/** A site whose values and teacher's values are constants of two samples, the second half as heavy. */
function siteOf(own: Readonly<Record<string, Rows>>, taught: Readonly<Record<string, Rows>>): LossSite {
  const g = emitter()
  const none = () => assert.fail('it is not asked for')
  const constant = (rows: Rows | undefined) => (rows ? g.floats(rows.dims, rows.values) : none())
  return {
    g,
    ...{ logits: none, labels: none, rowWeight: none, teacherLogits: none },
    sampleWeight: () => g.floats([2], [1, 0.5]),
    value: (name) => constant(own[name]),
    teacher: (name) => constant(taught[name]),
    output: 'y',
    outputs: Object.keys(own),
  }
}

const pair = (...values: number[]): Rows => ({ dims: [2, values.length / 2], values })

describe('losses on several values', () => {
  // Square distances: y 4 and 1 a sample, z (1 + 9)/2 and 0.
  const own = { y: pair(1, 2), z: pair(0, 3, 1, 1) }
  const taught = { y: pair(3, 3), z: pair(1, 0, 1, 1) }

  it('count outputs in units of the teacher, none louder than the others', async () => {
    const site = siteOf(own, taught)
    const made = await outputSquares().build(site)
    const weighted = (first: number, second: number) => (first + second / 2) / 1.5
    const expected = weighted(4, 1) / weighted(9, 9) + weighted(5, 0) / weighted(0.5, 1)
    assertNear([await numberOf(site.g, made)], [expected / 2], 1e-5)
  })

  it('do not divide by a teacher that is always 0', async () => {
    const site = siteOf({ y: pair(0, 0) }, { y: pair(0, 0) })
    assert.equal(await numberOf(site.g, await outputSquares().build(site)), 0)
  })

  it('add up distances by the weights that noise is given', async () => {
    const site = siteOf(own, { a: taught.y, b: taught.z })
    const terms = [
      { own: 'y', teacher: 'a', weight: 0.5 },
      { own: 'z', teacher: 'b', weight: 2 },
    ]
    const made = await outputNoise(terms).build(site)
    assertNear([await numberOf(site.g, made)], [(0.5 * (4 + 0.5) + 2 * 5) / 1.5], 1e-5)
    assert.throws(() => outputNoise([]).build(site), /a loss on the noise of outputs needs an output/)
  })

  it('measure inner tensors by Σ of squares over samples that count', async () => {
    const site = siteOf(own, taught)
    const made = await features({ values: ['y', 'z'] }).build(site)
    // y: (4 + 1/2)/(9 + 9/2), z: (1 + 9)/(1 + (1 + 1)/2)
    assertNear([await numberOf(site.g, made)], [(4.5 / 13.5 + 10 / 2) / 2], 1e-5)
  })
})

describe('a loss graph of the user', () => {
  it('has one output', async () => {
    const two = tinyModel('y[2,1] -> Relu -> a; y -> Neg -> b')
    const runtime = await testRuntime()
    assert.throws(() => userLoss(runtime, two), {
      name: 'InputError',
      message: 'the loss graph must have one output, a scalar; it has 2',
    })
  })

  it('finds its inputs by name: values, those of the teacher, and constants of its own', async () => {
    const graph = tinyModel(
      'y[2,1] -> Sub =target -> gap; gap -> Abs -> ReduceSum keepdims=0 -> Mul number(10) -> loss',
    )
    graph.graph.inputs.push({ name: 'teacher:y', dtype: 'float32', shape: [2, 1] })
    graph.graph.nodes[0]!.inputs[1] = 'teacher:y'
    const site = siteOf({ y: pair(1, 2) }, { y: pair(3, 3) })
    const term = userLoss(await testRuntime(), graph, 0.25)
    assert.deepEqual([term.name, term.weight], ['tiny', 0.25])
    assertNear([await numberOf(site.g, await term.build(site))], [30], 1e-5)
  })
})
