import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DrawnNode } from '../types.ts'
import { collapse } from './collapse.ts'
import { boxHeight, boxWidth, layOut } from './layout.ts'
import { shadeBoxes, shadesOf } from './shade.ts'

/** A chain of `count` layers, each with a BatchNormalization and a Relu. */
function chain(count: number): DrawnNode[] {
  const nodes: DrawnNode[] = [{ name: 'x', op: 'Input', from: [] }]
  for (let layer = 0; layer < count; layer++) {
    nodes.push({ name: `conv${layer}`, op: 'Conv', from: [nodes.length - 1], layer })
    nodes.push({ name: `bn${layer}`, op: 'BatchNormalization', from: [nodes.length - 1] })
    nodes.push({ name: `relu${layer}`, op: 'Relu', from: [nodes.length - 1] })
  }
  return [...nodes, { name: 'y', op: 'Output', from: [nodes.length - 1] }]
}

/** `count` residual blocks: two layers and an Add of what came in. */
function residual(count: number): DrawnNode[] {
  const nodes: DrawnNode[] = [{ name: 'x', op: 'Input', from: [] }]
  let into = 0
  for (let block = 0; block < count; block++) {
    nodes.push({ name: `a${block}`, op: 'Conv', from: [into], layer: 2 * block })
    nodes.push({ name: `b${block}`, op: 'Conv', from: [nodes.length - 1], layer: 2 * block + 1 })
    nodes.push({ name: `add${block}`, op: 'Add', from: [nodes.length - 1, into] })
    into = nodes.length - 1
  }
  return [...nodes, { name: 'y', op: 'Output', from: [into] }]
}

describe('collapsing a graph', () => {
  it('lets what only follows a layer join it', () => {
    const boxes = collapse(chain(2))
    assert.deepEqual(
      boxes.map(({ title, from, layers }) => [title, from, layers]),
      [
        ['Input x', [], []],
        ['Conv conv0', [0], [0]],
        ['Conv conv1', [1], [1]],
        ['Output y', [2], []],
      ],
    )
    assert.deepEqual(boxes[1]?.members, [1, 2, 3])
  })

  it('has a box for every node when asked', () => {
    assert.equal(collapse(chain(2), { everyNode: true }).length, 8)
  })

  it('folds residual blocks that repeat, keeps all their layers, and opens them again', () => {
    const nodes = residual(5)
    const boxes = collapse(nodes, { repeats: true })
    const folded = boxes.find(({ repeats }) => repeats !== undefined)
    assert.equal(folded?.repeats?.count, 5)
    assert.equal(folded?.layers.length, 10)
    const opened = collapse(nodes, { repeats: true, opened: new Set([folded?.repeats?.key ?? '']) })
    assert.equal(opened.length, collapse(nodes).length)
  })

  it('folds nothing that comes twice only', () => {
    assert.ok(collapse(residual(2), { repeats: true }).every(({ repeats }) => repeats === undefined))
  })

  it('loses no node and no feeder, folded or not', () => {
    for (const options of [{}, { everyNode: true }, { repeats: true }]) {
      const nodes = residual(7)
      const boxes = collapse(nodes, options)
      assert.deepEqual(
        boxes.flatMap(({ members }) => members).sort((a, b) => a - b),
        [...nodes.keys()],
      )
      for (const [index, { from }] of boxes.entries()) assert.ok(from.every((feeder) => feeder < index))
    }
  })
})

describe('the layout', () => {
  for (const [name, nodes] of [
    ['a chain', chain(300)],
    ['residual blocks', residual(200)],
  ] as const) {
    it(`puts the boxes of ${name} below their feeders, and none over another`, () => {
      const boxes = collapse(nodes)
      const { boxes: places, edges } = layOut(boxes)
      for (const { from, to } of edges) assert.ok((places[from]?.y ?? 0) < (places[to]?.y ?? 0))
      const rows = new Map<number, number[]>()
      for (const { x, y } of places) rows.set(y, [...(rows.get(y) ?? []), x])
      for (const row of rows.values()) {
        row.sort((a, b) => a - b)
        for (let i = 1; i < row.length; i++) assert.ok((row[i] ?? 0) - (row[i - 1] ?? 0) >= boxWidth)
      }
      assert.ok(places.every(({ y }) => Number.isFinite(y) && y >= boxHeight / 2))
    })
  }

  it('draws a chain as a straight line', () => {
    assert.equal(new Set(layOut(collapse(chain(50))).boxes.map(({ x }) => Math.round(x))).size, 1)
  })

  it('survives a node that feeds thousands far away', () => {
    const nodes: DrawnNode[] = [{ name: 'x', op: 'Input', from: [] }]
    for (let i = 1; i < 1500; i++) nodes.push({ name: `n${i}`, op: 'Add', from: [0, i - 1] })
    const { boxes, width } = layOut(collapse(nodes, { everyNode: true }))
    assert.equal(boxes.length, 1500)
    assert.ok(Number.isFinite(width))
  })
})

describe('colours of boxes', () => {
  const layers = [
    { sizeBytes: 100, macs: 10, sqnrDb: 40 },
    { sizeBytes: 100_000, macs: 1e6, sqnrDb: 10 },
    { sizeBytes: 1000, sqnrDb: null },
  ]
  it('offers only what is known', () => {
    assert.deepEqual(shadesOf(layers), ['none', 'MACs', 'bytes', 'SQNR'])
    assert.deepEqual(shadesOf([]), ['none'])
  })

  it('is strong for many bytes and for little SQNR, and says the figure', () => {
    const bytes = shadeBoxes('bytes', [[0], [1], []], layers)
    assert.deepEqual([bytes[0]?.strength, bytes[1]?.strength, bytes[2]?.strength], [0, 1, undefined])
    assert.equal(bytes[1]?.text, '100 kB')
    const sqnr = shadeBoxes('SQNR', [[0], [1], [0, 1], [2]], layers)
    assert.deepEqual(
      sqnr.map(({ strength }) => strength),
      [0, 1, 1, undefined],
    )
  })
})
