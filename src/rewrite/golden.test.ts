import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { assertNearShare } from '../../test/support/assert-near.ts'
import { contextOf, run } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { type Attribute, intAttr, intsAttr, type Model, makeNode, Tensor } from '../onnx/index.ts'
import { foldBatchNorm } from './fold-batch-norm.ts'

/** A matrix of any rank, row by row. */
interface Table {
  readonly dims: readonly number[]
  readonly data: readonly number[]
}

interface Case {
  readonly input: {
    /** The committed figures have its dims only. */
    readonly x: { readonly dims: readonly number[]; readonly data?: readonly number[] }
    readonly W: Table
    readonly b: readonly number[] | null
    readonly gamma: readonly number[]
    readonly beta: readonly number[]
    readonly mean: readonly number[]
    readonly var: readonly number[]
  }
  readonly options: {
    readonly op: string
    readonly order: 'backward' | 'forward'
    readonly epsilon: number
    readonly attributes: Readonly<Record<string, number | readonly number[]>>
  }
  readonly expected: { readonly W: Table; readonly b: readonly number[]; readonly y?: Table }
}

const fixture = new URL('fixtures/bn-fold.json', import.meta.url)
const shared = join(process.env['ONNXPRESS_SHARED'] ?? '../shared', 'golden', 'bn-fold.json')

const float32 = (dims: readonly number[], data: readonly number[]) => Tensor.from('float32', dims, data)

/** layer → BatchNormalization, or the other way round, as a model. */
function modelOf({ input, options }: Case): Model {
  const { op, order, epsilon, attributes } = options
  const model = tinyModel(`x[N,${input.x.dims.slice(1).join()}] -> Identity -> y`)
  const { graph } = model
  const layerAttributes: Record<string, Attribute> = {}
  for (const [name, value] of Object.entries(attributes))
    layerAttributes[name] = typeof value === 'number' ? intAttr(value) : intsAttr(value)
  graph.initializers.set('W', float32(input.W.dims, input.W.data))
  if (input.b) graph.initializers.set('b', float32([input.b.length], input.b))
  const norm = ['gamma', 'beta', 'mean', 'var'] as const
  for (const name of norm) graph.initializers.set(name, float32([input[name].length], input[name]))
  const [first, second] = order === 'backward' ? (['x', 'h'] as const) : (['h', 'x'] as const)
  const layer = makeNode({
    opType: op,
    inputs: input.b ? [first, 'W', 'b'] : [first, 'W'],
    outputs: [order === 'backward' ? 'h' : 'y'],
    attributes: layerAttributes,
  })
  const batchNorm = makeNode({
    opType: 'BatchNormalization',
    inputs: [second, ...norm],
    outputs: [order === 'backward' ? 'y' : 'h'],
    attributes: { epsilon: { type: 'float', value: epsilon } },
  })
  graph.nodes = order === 'backward' ? [layer, batchNorm] : [batchNorm, layer]
  return model
}

function itMatches(file: string | URL): void {
  const { cases }: { cases: readonly Case[] } = JSON.parse(readFileSync(file, 'utf8'))
  for (const [index, each] of cases.entries())
    it(`folds ${each.options.op} ${each.options.order} to the figures of numpy, case ${index}`, async () => {
      const model = modelOf(each)
      const folded = foldBatchNorm.apply(model, await contextOf(model)).model
      const layer = folded.graph.nodes.find((node) => node.opType === each.options.op)
      const add = folded.graph.nodes.find((node) => node.opType === 'Add')
      const { initializers } = folded.graph
      assertNearShare(initializers.get(layer?.inputs[1] ?? '')?.floats(), each.expected.W.data, 2e-7, 'W')
      assertNearShare(initializers.get(layer?.inputs[2] ?? add?.inputs[1] ?? '')?.floats(), each.expected.b, 2e-7, 'b')
      const { dims, data } = each.input.x
      const { y } = each.expected
      if (!data || !y) return
      const outputs = await run(folded, { x: { dtype: 'float32', dims, data: Float32Array.from(data) } })
      const got = outputs['y']?.data
      assertNearShare(got && Array.from(got, Number), y.data, 2e-6, 'y')
    })
}

describe('fold-batch-norm, golden figures', () => itMatches(fixture))

describe('fold-batch-norm, golden figures with outputs', () => {
  if (existsSync(shared)) itMatches(shared)
  else it('matches them all', { skip: `no figures at ${shared}; the committed ones are tested` }, () => {})
})
