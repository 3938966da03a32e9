import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { shortcutToConv } from './shortcut-to-conv.ts'

const block = (branch: string, shortcut: string, opset = 17) =>
  tinyModel(
    `x[N,4,8,8] -> Conv 1x1 4->4 -> Relu -> t; t -> ${branch} -> a; t -> ${shortcut} -> b; a,b -> Add -> Relu -> y`,
    {
      opset,
    },
  )
const END = 2 ** 31 - 1

const becomesConv = (branch: string, shortcut: string, opset?: number): void =>
  itKeepsTheFunction(shortcutToConv, block(branch, shortcut, opset), {
    and: ({ model }) => {
      const ops = model.graph.nodes.map((node) => node.opType)
      assert.ok(!ops.includes('Slice') && !ops.includes('Pad'), `still there: ${ops}`)
    },
  })

describe('shortcut-to-conv', () => {
  const half = 'Conv 3x3 4->8 pads=1,1,1,1 strides=2,2'
  const slice = `Slice ints(0,0) ints(${END},${END}) ints(2,3) ints(2,2)`
  becomesConv(half, `${slice} -> Pad ints(0,2,0,0,0,2,0,0)`)
  becomesConv(half, `${slice} -> Pad ints(0,0,0,0,0,4,0,0)`, 13)
  becomesConv(`${half} -> BatchNormalization`, `Pad ints(0,2,0,0,0,2,0,0) -> ${slice}`)
  becomesConv(
    half,
    `Slice ints(0) ints(${END}) ints(2) ints(2) -> Slice ints(0) ints(2147483647) ints(-1) ints(2) -> Pad ints(0,1,0,0,0,3,0,0)`,
  )
  becomesConv('Conv 3x3 4->6 pads=1,1,1,1', 'Pad ints(0,1,0,0,0,1,0,0)')

  const leaves = (what: string) => itLeavesAlone(shortcutToConv, what)
  const alone = (branch: string, shortcut: string) =>
    leaves(`x[N,4,8,8] -> Conv 1x1 4->4 -> t; t -> ${branch} -> a; t -> ${shortcut} -> b; a,b -> Add -> y`)
  // Borders of a map, channels that are cut, rows from the second on, other fills, no convolution beside it.
  alone('Conv 3x3 4->4', 'Slice ints(1,1) ints(7,7) ints(2,3)')
  alone('Conv 3x3 4->4 pads=2,2,2,2', 'Pad ints(0,0,1,1,0,0,1,1)')
  alone('Conv 1x1 4->2', `Slice ints(0) ints(2) ints(1)`)
  alone('Conv 1x1 4->6', 'Pad ints(0,1,0,0,0,1,0,0) number(1)')
  alone('Conv 1x1 4->6', 'Pad ints(0,1,0,0,0,1,0,0) mode=reflect')
  alone('Pad ints(0,1,0,0,0,1,0,0)', 'Pad ints(0,1,0,0,0,1,0,0)')
})
