import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { UnionFind } from './channels/union-find.ts'
import { consumersOf } from './consumers.ts'
import { denseTensor } from './dense.ts'
import { byteLengthOf, type DType, dtypeNumber, dtypeOf } from './dtype.ts'
import { makeNode } from './edit.ts'
import { inputsWithDefaults } from './overridable.ts'
import { peakBytes } from './peak-bytes.ts'
import { renameValues } from './rename-values.ts'
import { isSorted, sortNodes } from './sort.ts'
import { Tensor } from './tensor.ts'
import { endOf, field, joined, readVarint, varint } from './wire.ts'

describe('union-find', () => {
  it('has the sets that joining by hand gives, each named by its lowest member', () => {
    const pairs = fc.array(fc.tuple(fc.nat({ max: 11 }), fc.nat({ max: 11 })), { maxLength: 12 })
    fc.assert(
      fc.property(pairs, (joins) => {
        const sets = new UnionFind()
        assert.deepEqual([...sets.add(5), ...sets.add(7)], [...Array(12).keys()])
        const byHand = Array.from({ length: 12 }, (_, i) => i)
        for (const [a, b] of joins) {
          sets.join(a, b)
          const [from, to] = [byHand[a], byHand[b]]
          for (let i = 0; i < 12; i++) if (byHand[i] === from) byHand[i] = to ?? 0
        }
        for (let i = 0; i < 12; i++) assert.equal(sets.root(i), byHand.indexOf(byHand[i] ?? 0))
        assert.equal(sets.size, 12)
      }),
    )
  })
})

describe('the order of nodes', () => {
  const chain = (count: number) =>
    Array.from({ length: count }, (_, i) => makeNode({ opType: 'Relu', inputs: [`v${i}`], outputs: [`v${i + 1}`] }))

  it('is found from any other, and one that is right stays', () => {
    const nodes = [
      ...chain(4),
      makeNode({ opType: 'Add', inputs: ['v1', 'v4'], outputs: ['y'] }),
      makeNode({ opType: 'Relu', inputs: ['v2'], outputs: ['z'] }),
    ]
    assert.deepEqual(sortNodes(nodes), nodes)
    fc.assert(
      fc.property(fc.shuffledSubarray(nodes, { minLength: nodes.length }), (shuffled) => {
        const sorted = sortNodes(shuffled)
        assert.ok(isSorted(sorted))
        assert.deepEqual(new Set(sorted), new Set(nodes))
      }),
    )
  })

  it('is found for thousands of nodes in a row, last first', () => {
    const nodes = chain(20_000)
    assert.deepEqual(sortNodes(nodes.toReversed()), nodes)
  })

  it('does not exist on a circle, and a node of it is named', () => {
    const nodes = [
      makeNode({ opType: 'Add', name: 'one', inputs: ['x', 'b'], outputs: ['a'] }),
      makeNode({ opType: 'Relu', name: 'two', inputs: ['a'], outputs: ['b'] }),
    ]
    assert.equal(isSorted(nodes), false)
    assert.throws(() => sortNodes(nodes), { name: 'InputError', message: /circle through node "(one|two)"/ })
  })
})

describe('bytes of a file', () => {
  it('hold numbers of any size, which are read back with where they end', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat({ max: 5 }), (value, before) => {
        const bytes = Uint8Array.from([...new Array(before).fill(255), ...varint(value)])
        assert.deepEqual(readVarint(bytes, before), { value, end: bytes.length })
        assert.equal(readVarint(bytes.subarray(0, -1), before), undefined, 'cut off')
      }),
    )
    assert.equal(readVarint(new Uint8Array(11).fill(128), 0), undefined, 'no number is longer than ten bytes')
  })

  it('hold fields, whose tag and length say where they end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.uint8Array({ maxLength: 300 }), (number, body) => {
        const bytes = joined([field(number, body), Uint8Array.of(1, 2)])
        const tag = readVarint(bytes, 0)!
        assert.deepEqual([Math.floor(tag.value / 8), tag.value % 8], [number, 2])
        const end = endOf(bytes, 2, readVarint(bytes, tag.end)!)
        assert.equal(end, bytes.length - 2)
      }),
    )
  })

  it('skip numbers of fixed size, and know no other types', () => {
    const body = { value: 3, end: 1 }
    const bytes = Uint8Array.of(0, 200, 1, 0)
    assert.deepEqual(
      [0, 1, 2, 3, 5].map((wire) => endOf(bytes, wire, body)),
      [3, 9, 4, undefined, 5],
    )
  })
})

describe('element types', () => {
  it('go through their numbers, also one that nobody knows yet', () => {
    for (let number = 0; number < 40; number++) assert.equal(dtypeNumber(dtypeOf(number)), number)
  })

  it('below a byte are packed', () => {
    const bytes = (dtype: DType) => [0, 1, 3, 4, 5].map((count) => byteLengthOf(dtype, count))
    assert.deepEqual(bytes('int4'), [0, 1, 2, 2, 3])
    assert.deepEqual(bytes('uint2'), [0, 1, 1, 1, 2])
    assert.deepEqual(bytes('string'), Array(5).fill(undefined))
  })
})

describe('a sparse tensor', () => {
  const values = Tensor.from('float32', [2], [7, 8])
  const at = (shape: number[], indices: number[]) => Tensor.from('int64', shape, indices)

  it('is written out from positions and from coordinates', () => {
    const expected = [0, 7, 0, 0, 0, 8]
    assert.deepEqual([...denseTensor([2, 3], values, at([2], [1, 5])).floats()], expected)
    assert.deepEqual([...denseTensor([2, 3], values, at([2, 2], [0, 1, 1, 2])).floats()], expected)
  })

  it('with a place outside its shape, too few places, or no size in bytes is refused', () => {
    assert.throws(() => denseTensor([2, 3], values, at([2], [1, 6])), /a value at \[6\], outside its shape \[2,3\]/)
    assert.throws(() => denseTensor([2, 3], values, at([2, 2], [0, 3, 1, 2])), /a value at \[0,3\], outside/)
    assert.throws(() => denseTensor([2, 3], values, at([2], [-1, 2])), /a value at \[-1\]/)
    assert.throws(() => denseTensor([2, 3], values, at([1], [1])), /has 2 values, but 1 places/)
    const packed = new Tensor('int4', [2], Uint8Array.of(0x21))
    assert.throws(() => denseTensor([2, 3], packed, at([2], [1, 2])), /of int4 cannot be written out/)
    assert.throws(() => denseTensor([2 ** 15, 2 ** 15], values, at([2], [1, 2])), /cannot be written out/)
  })
})

describe('memory at the worst moment', () => {
  const sizes: Readonly<Record<string, number>> = { x: 1, a: 10, b: 100, c: 1000, unused: 5000 }
  const bytesOf = (value: string) => sizes[value] ?? 0
  const node = (inputs: string[], outputs: string[]) => makeNode({ opType: 'Any', inputs, outputs })
  const peak = (nodes: ReturnType<typeof node>[], output: string) =>
    peakBytes({ ...tinyModel('x[N,2] -> Relu -> y').graph, nodes, outputs: [{ name: output }] }, bytesOf)

  it('counts a value from where it is made to where it is last read', () => {
    assert.equal(peak([node(['x'], ['a']), node(['a'], ['b']), node(['b'], ['c'])], 'c'), 1 + 100 + 1000)
    // Read again at the end, the first one stays.
    assert.equal(peak([node(['x'], ['a']), node(['a'], ['b']), node(['b', 'a'], ['c'])], 'c'), 1 + 10 + 100 + 1000)
  })

  it('lets go of what nobody reads behind its node', () => {
    assert.equal(peak([node(['x'], ['a', 'unused']), node(['a'], ['b']), node(['b'], ['c'])], 'c'), 1 + 10 + 5000)
    assert.equal(peak([node(['x'], ['a', 'unused']), node(['a'], ['b'])], 'b'), 1 + 10 + 5000)
  })

  it('keeps what a graph inside a node reads', () => {
    const inner = { ...tinyModel('z[1] -> Relu -> y').graph, nodes: [node(['b'], ['y'])], inputs: [] }
    const branch = { ...node(['x'], ['c']), attributes: new Map([['body', { type: 'graph' as const, value: inner }]]) }
    const nodes = [node(['x'], ['b']), node(['x'], ['a']), branch]
    assert.equal(peak(nodes, 'c'), 1 + 100 + 10 + 1000 - 10)
  })
})

describe('values under other names', () => {
  it('are renamed wherever they are made or read, but for inputs and outputs of the model', () => {
    const model = tinyModel('x[N,4] -> Gemm 4->4 -> a -> Relu -> y')
    const { graph } = renameValues(
      model,
      new Map([
        ['a', 'b'],
        ['a_weight', 'w'],
      ]),
    )
    assert.deepEqual(
      graph.nodes.map(({ inputs, outputs }) => [...inputs, '→', ...outputs].join(' ')),
      ['x w a_bias → b', 'b → y'],
    )
    assert.deepEqual([...graph.initializers.keys()], ['w', 'a_bias'])
    assert.equal(model.graph.nodes[0]?.outputs[0], 'a', 'the model that was given keeps its names')
    assert.equal(renameValues(model, new Map()), model)
  })

  it('have readers, each once and in order', () => {
    const { nodes } = tinyModel('x[N,4] -> a; x,x -> Add -> b; x,b -> Add -> c').graph
    const consumers = consumersOf(nodes)
    assert.deepEqual(
      consumers.get('x')?.map((each) => each.outputs[0]),
      ['b', 'c'],
    )
    assert.equal(consumers.get('c'), undefined)
  })
})

describe('initialisers that are inputs too', () => {
  const listed = (count: number, all: boolean) => {
    const { graph } = tinyModel('x[N,4] -> Relu -> y')
    for (let i = 0; i < count; i++) {
      graph.initializers.set(`w${i}`, Tensor.from('float32', [1], [i]))
      if (all || i === 0) graph.inputs.push({ name: `w${i}`, dtype: 'float32', shape: [1] })
    }
    return graph
  }
  const ask = (count: number, all: boolean, irVersion: number) => {
    const notes: string[] = []
    const found = inputsWithDefaults(listed(count, all), irVersion, notes)
    return { ...found, notes, inputs: found.graph.inputs.map(({ name }) => name) }
  }

  it('are constants before IR 4, and where an exporter lists all of many', () => {
    const old = ask(2, true, 3)
    assert.deepEqual([old.inputs, old.graph.initializers.size, old.irVersion], [['x'], 2, 4])
    assert.match(old.notes.join(), /2 initialisers were also listed as inputs, as IR 3 asks/)
    const habit = ask(8, true, 8)
    assert.deepEqual([habit.inputs, habit.graph.initializers.size, habit.irVersion], [['x'], 8, 8])
    assert.match(habit.notes.join(), /all 8 initialisers .* habit/)
  })

  it('are defaults else, which are neither constants nor inputs that must be fed', () => {
    const few = ask(7, true, 8)
    assert.deepEqual([few.inputs, few.graph.initializers.size, few.graph.overridable?.size], [['x'], 0, 7])
    assert.match(few.notes.join(), /"w0", "w1", "w2" and 4 more: inputs with a default/)
    const one = ask(9, false, 8)
    assert.deepEqual(
      [one.inputs, one.graph.initializers.size, [...(one.graph.overridable?.keys() ?? [])]],
      [['x'], 8, ['w0']],
    )
    assert.deepEqual(ask(0, true, 8).notes, [])
  })
})
