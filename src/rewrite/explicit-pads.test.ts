import { describe } from 'node:test'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { explicitPads } from './explicit-pads.ts'

const writes = (drawing: string): void => itKeepsTheFunction(explicitPads, drawing, { tolerance: 0 })

describe('explicit-pads', () => {
  for (const auto of ['SAME_UPPER', 'SAME_LOWER', 'VALID']) {
    writes(`x[N,4,6,7] -> Conv 3x2 4->5 auto_pad=${auto} -> y`)
    writes(`x[N,4,6,7] -> Conv 3x2 4->5 strides=2,3 auto_pad=${auto} -> y`)
    writes(`x[N,4,9] -> Conv 3 4->5 auto_pad=${auto} -> y`)
    writes(`x[N,4,6,7] -> MaxPool 2x3 strides=2,2 auto_pad=${auto} -> y`)
    writes(`x[N,4,6,7] -> AveragePool 2x3 auto_pad=${auto} count_include_pad=1 -> y`)
    writes(`x[N,4,6,7] -> ConvTranspose 3x4 4->5 strides=2,3 auto_pad=${auto} -> y`)
  }
  writes('x[N,4,9] -> Conv 3 4->5 dilations=2, auto_pad=VALID -> y')
  writes('x[N,4,H,W] -> Conv 3x3 4->5 auto_pad=SAME_UPPER -> y')
  itLeavesAlone(
    explicitPads,
    'x[N,4,H,W] -> Conv 3x3 4->5 strides=2,2 auto_pad=SAME_UPPER -> y',
    /keeps auto_pad SAME_UPPER: its stride is 2 and the model takes inputs of any size/,
  )
  itLeavesAlone(explicitPads, 'x[N,4,6,6] -> Conv 3x3 4->5 auto_pad=NOTSET pads=1,1,1,1 -> y')
})
