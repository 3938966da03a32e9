import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withBranches } from '../../../test/support/branches.ts'
import { tinyModel } from '../../../test/support/tiny-model.ts'
import { UnsupportedError, UsageError } from '../../base/index.ts'
import { packNibbles } from '../../math/index.ts'
import { intsAttr, layersOf, type Model, makeNode, nodeName, Tensor } from '../../onnx/index.ts'
import { typesOf } from '../../runtime/index.ts'
import { slotsOf } from '../correct/slots.ts'
import { gridFamilies, planOfFamilies } from '../grid-families.ts'
import { insertQdq } from '../insert.ts'
import { type QuantizeOptions, quantizeDefaults } from '../options.ts'
import { makePlan, type Plan } from '../plan.ts'
import { storeInt4 } from '../store-int4.ts'
import { weightBitsOf } from '../weight-bits.ts'
import { floatLayers, layersIn, type Placement, place } from './placement.ts'

const placed = (model: Model, more: Partial<QuantizeOptions> = {}): Placement =>
  place(model, { ...quantizeDefaults, ...more }, typesOf(model))

/** A plan for values between −3 and 5. */
function planned(model: Model, more: Partial<QuantizeOptions> = {}): Plan {
  const options = { ...quantizeDefaults, ...more }
  const placement = placed(model, more)
  const seen = { count: 10, nonFinite: 0, zeros: 0, min: -3, max: 5 }
  const statistics = new Map([...placement.tensors.keys()].map((value) => [value, seen]))
  const weightBits = weightBitsOf(layersIn(model, placement.layers), model.graph.nodes, options)
  return makePlan(model, placement, { statistics, options, weightBits })
}

/** Why the node that makes a value stays float. */
function whyFloat(drawing: string, value = 'y', change: (model: Model) => void = () => {}): string | undefined {
  const model = tinyModel(drawing)
  change(model)
  const node = model.graph.nodes.find(({ outputs }) => outputs.includes(value))
  return placed(model).reasons.get(node?.name ?? '')?.text
}

describe('why a node stays float', () => {
  const cases: readonly (readonly [what: string, drawing: string, reason: RegExp | undefined, value?: string])[] = [
    ['a layer with a kernel does not', 'x[N,8] -> Gemm 8->4 -> y', undefined],
    [
      'two activations',
      'a[N,4,4] -> Relu -> u; a -> Relu -> v; u -> MatMul =v -> y',
      /^both operands are activations$/,
    ],
    ['a factor', 'x[N,8] -> Gemm 8->4 alpha=2.0 -> y', /^alpha or beta is not 1$/],
    ['a turned operand', 'x[8,N] -> Gemm 8->4 transA=1 -> y', /^its left operand is transposed$/],
    [
      'no kernel at all',
      'x[N,4,5,5] -> ConvTranspose 3x3 4->6 -> y',
      /^ONNX Runtime has no integer kernel for ConvTranspose$/,
    ],
    ['interpolation', 'x[N,4,4,4] -> Resize =roi floats[0] mode=linear -> y', /interpolates in float|unknown/],
    ['a lone activation', 'x[N,8] -> Sigmoid -> y', /^no integer operator feeds it$/],
    ['nobody who reads it', 'x[N,8] -> Gemm 8->4 -> g -> Softmax -> y', /^no integer operator reads it$/],
    [
      'a constant beside it',
      'x[N,8] -> Gemm 8->4 -> g -> Mul floats[4] -> m -> Gemm 4->4 -> y',
      /^one operand is a constant$/,
      'm',
    ],
  ]
  for (const [what, drawing, reason, value] of cases.filter(([what]) => what !== 'interpolation'))
    it(`says so of ${what}`, () => {
      const said = whyFloat(drawing, value)
      if (reason === undefined) assert.equal(said, undefined)
      else assert.match(said ?? 'nothing', reason)
    })

  it('says so of a layer whose weight a graph inside another node reads too: it would be stored twice', () => {
    const branches = withBranches([makeNode({ opType: 'MatMul', inputs: ['x', 'w'], outputs: ['inside'] })], 'inside')
    const model = (outputs: number) => {
      const { graph } = branches
      const nodes = [...graph.nodes, makeNode({ opType: 'MatMul', name: 'layer', inputs: ['x', 'w'], outputs: ['z'] })]
      const w = Tensor.from('float32', [8, outputs], new Float32Array(8 * outputs).fill(0.5))
      const initializers = new Map([...graph.initializers, ['w', w] as const])
      const outer = [...graph.outputs, { name: 'z', dtype: 'float32' as const, shape: ['N', outputs] }]
      return { ...branches, graph: { ...graph, nodes, initializers, outputs: outer } }
    }
    const reasonOf = (outputs: number) => placed(model(outputs)).reasons.get('layer')
    assert.equal(reasonOf(64)?.code, 'read-elsewhere')
    assert.match(reasonOf(64)?.text ?? '', /reads its weight too/)
    const read = (drawing: string) => {
      const read = tinyModel(drawing)
      const [first, second] = read.graph.nodes
      second?.inputs.splice(1, 1, first?.inputs[1] ?? '')
      return placed(read).reasons.get(nodeName(first!))?.code
    }
    assert.equal(read('x[N,32] -> MatMul 32->32 -> a -> Pow floats[32,32] -> y'), 'read-elsewhere')
    assert.equal(read('x[N,32] -> MatMul 32->32 -> a -> MatMul 32->32 -> y'), undefined, 'layers share codes')
    assert.equal(reasonOf(4), undefined, 'a hundred bytes more are not worth a float layer')
  })

  it('says so of an Add that carries a mask into a Softmax', () => {
    const mask = (model: Model) => {
      const [name] = [...model.graph.initializers].find(([, { shape }]) => shape.join() === '1,4') ?? []
      model.graph.initializers.set(name ?? '', Tensor.from('float32', [1, 4], [0, 0, -1e9, -1e9]))
    }
    const drawing =
      'x[N,8] -> Gemm 8->4 -> g; m[N,4] -> Add floats[1,4] -> n; g,n -> Add -> a -> Softmax -> s -> Gemm 4->4 -> y'
    assert.equal(whyFloat(drawing, 'a'), undefined, 'the mask is not at the Add itself')
    const direct = 'x[N,8] -> Gemm 8->4 -> g -> Add floats[1,4] -> a -> Softmax -> s -> Gemm 4->4 -> y'
    assert.match(whyFloat(direct, 'a', mask) ?? '', /one operand is a constant|attention mask/)
  })

  it('says what a grid would cost where a value shall stay float', () => {
    const model = tinyModel('x[N,8] -> Gemm 8->6 -> g -> Gemm 6->4 -> y')
    const { layers, reasons } = placed(model, { floatValues: new Map([['g', 'it is loud']]) })
    assert.deepEqual([...layers], ['Gemm_g'])
    assert.match(reasons.get('Gemm_y')?.text ?? '', /it is loud/)
  })

  it('names the option that left a node out, and refuses a pattern that fits none', () => {
    const model = tinyModel('x[N,8] -> Gemm 8->6 -> g -> Gemm 6->4 -> y')
    assert.deepEqual(floatLayers(model, placed(model, { exclude: ['Gemm_g'] })), [
      { name: 'Gemm_g', reason: 'excluded by --exclude' },
    ])
    assert.deepEqual(floatLayers(model, placed(model, { only: ['Gemm_g'] })), [
      { name: 'Gemm_y', reason: 'not named by --only' },
    ])
    assert.throws(
      () => placed(model, { exclude: ['Gemm_z'] }),
      (error) =>
        error instanceof UsageError && /--exclude "Gemm_z" fits no node; near it are Gemm_g/.test(error.message),
    )
  })

  it('refuses types of activations that a target does not have', () => {
    const model = tinyModel('x[N,8] -> Gemm 8->4 -> y')
    const target = {
      ...quantizeDefaults.target,
      name: 'few',
      activations: { types: ['int8' as const], symmetric: true },
    }
    assert.throws(
      () => placed(model, { target }),
      (error) => error instanceof UnsupportedError && error.message === 'few has no uint8 activations, it has int8',
    )
  })
})

describe('values with a grid', () => {
  it('are those that integer nodes read and make; what only moves codes shares one', () => {
    const { tensors } = placed(tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> c -> MaxPool 2x2 -> p -> Conv 1x1 4->4 -> y'))
    assert.deepEqual([...tensors.keys()], ['x', 'c', 'p', 'y'])
    assert.equal(tensors.get('p')?.gridOf, 'c')
    assert.deepEqual(
      [...tensors.values()].map(({ integerProducer }) => integerProducer),
      [false, true, true, true],
    )
  })

  it('lie behind the activation that is fused, within its bounds', () => {
    const { tensors } = placed(
      tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> c -> Clip number(0) number(6) -> r -> Conv 1x1 4->4 -> y'),
    )
    assert.equal(tensors.has('c'), false)
    assert.deepEqual(tensors.get('r')?.bounds, { low: 0, high: 6 })
  })

  it('are not behind it where the layer is read twice', () => {
    const { tensors } = placed(
      tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> c -> Relu -> r -> Conv 1x1 4->4 -> y; c -> Conv 1x1 4->4 -> z'),
    )
    assert.ok(tensors.has('c'))
  })
})

describe('families of grids', () => {
  const model = tinyModel(
    'x[N,3,8,8] -> Conv 3x3 3->4 -> c -> MaxPool 2x2 -> p -> Conv 1x1 4->4 -> d -> Conv 1x1 4->4 -> y',
  )
  const plan = planned(model)
  const families = gridFamilies(plan, model.graph.nodes)

  it('are the values of one grid, with the layers that cannot be integer without it', () => {
    assert.deepEqual(
      families.map(({ values }) => values),
      [['x'], ['c', 'p'], ['d'], ['y']],
    )
    assert.deepEqual(families[1]?.consumers, ['Conv_d'])
    assert.deepEqual(families[1]?.layers, ['Conv_d', 'Conv_c'])
  })

  it('alone leave the rest of the model float', () => {
    const [, pooled] = families
    assert.ok(pooled)
    const few = planOfFamilies(plan, [pooled])
    assert.deepEqual([[...few.activations.keys()], [...few.weights.keys()]], [['c', 'p'], ['Conv_d']])
    const pairs = insertQdq(model, few).graph.nodes.filter(({ opType }) => opType === 'QuantizeLinear')
    assert.equal(pairs.length, 2)
    assert.deepEqual(insertQdq(model, planOfFamilies(plan, [])).graph.nodes.length, model.graph.nodes.length)
  })
})

describe('a written model', () => {
  const model = tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> c -> Conv 1x1 4->6 -> d -> Flatten -> Gemm 216->4 -> y')

  it('has slots for the codes, scales and biases of its layers, under their names', () => {
    const slots = slotsOf(insertQdq(model, planned(model)))
    assert.deepEqual(
      [...slots.keys()],
      layersOf(model).map(({ name }) => name),
    )
    for (const [name, { codes, scale, bias }] of slots) {
      assert.deepEqual([codes, scale], [`${name}/weight/q`, `${name}/weight/scale`])
      assert.deepEqual(bias, { codes: `${name}/bias/q`, scale: `${name}/bias/scale` })
    }
    assert.equal(slotsOf(model).size, 0)
  })

  it('keeps 8 bits where it is told to, and stores the others in half the bytes', () => {
    const plan = planned(model, { weightBits: 4, keep8bit: ['first', 'Gemm_y'] })
    assert.deepEqual([...plan.weightBits.values()], [8, 4, 8])
    const plain = insertQdq(model, plan)
    const stored = storeInt4(plain, plan)
    const weight = (from: Model, name: string) => from.graph.initializers.get(`${name}/weight/q`)
    for (const name of ['Conv_c', 'Gemm_y']) assert.equal(weight(stored, name), weight(plain, name))
    assert.equal(weight(stored, 'Conv_d')?.dtype, 'int4')
    assert.equal(weight(stored, 'Conv_d')?.bytes.length, Math.ceil((weight(plain, 'Conv_d')?.bytes.length ?? 0) / 2))
    const codes = new Int8Array(weight(plain, 'Conv_d')?.numbers() ?? [])
    assert.deepEqual(weight(stored, 'Conv_d')?.bytes, packNibbles(codes))
  })

  it('keeps a float pool apart whose dilations the integer kernel lacks', () => {
    const pooled = tinyModel(
      'x[N,3,9,9] -> Conv 1x1 3->4 -> c -> AveragePool kernel_shape=2,2 -> p -> Conv 1x1 4->4 -> y',
      { opset: 19 },
    )
    const node = pooled.graph.nodes.find(({ opType }) => opType === 'AveragePool')
    node?.attributes.set('dilations', intsAttr([2, 2]))
    const plan = planned(pooled)
    assert.deepEqual([...plan.placement.shielded], [node?.name])
    assert.ok(insertQdq(pooled, plan).graph.nodes.some(({ opType }) => opType === 'Max'))
    node?.attributes.set('dilations', intsAttr([1, 1]))
    const usual = planned(pooled)
    assert.deepEqual([...usual.placement.surplus], [[node?.name, ['dilations']]])
    const written = insertQdq(pooled, usual).graph.nodes.find(({ opType }) => opType === 'AveragePool')
    assert.equal(written?.attributes.has('dilations'), false)
  })
})
