// Operators that move, copy, pick or pool elements, and those that join several inputs.
import { defineOp, type OpFacts } from './facts.ts'

const moves = (op: string): OpFacts => defineOp({ op, movesData: true, homogeneous: true, keepsFinite: 'adds' })
const homogeneous = (op: string): OpFacts => defineOp({ op, homogeneous: true, keepsFinite: 'adds' })

export const movementOps: readonly OpFacts[] = [
  ...[
    'Reshape',
    'Flatten',
    'Transpose',
    'Squeeze',
    'Unsqueeze',
    'Slice',
    'Gather',
    'GatherElements',
    'GatherND',
    'Expand',
    'Tile',
    'DepthToSpace',
    'SpaceToDepth',
    'GlobalMaxPool',
    'ReverseSequence',
  ].map(moves),
  defineOp({
    op: 'Identity',
    movesData: true,
    homogeneous: true,
    keepsFinite: 'adds',
    type: (_n, _i, inputs) => inputs(0),
  }),
  defineOp({ op: 'Split', movesData: true, homogeneous: true, keepsFinite: 'adds', namesOutputs: true }),
  defineOp({
    op: 'Dropout',
    movesData: true,
    homogeneous: true,
    keepsFinite: 'adds',
    dtype: (_node, index, inputs) => (index === 1 ? 'bool' : inputs(0)),
  }),
  defineOp({
    op: 'MaxPool',
    movesData: true,
    homogeneous: true,
    keepsFinite: 'adds',
    dtype: (_node, index, inputs) => (index === 1 ? 'int64' : inputs(0)),
  }),
  ...[
    'AveragePool',
    'GlobalAveragePool',
    'Concat',
    'Add',
    'Sub',
    'Sum',
    'Max',
    'Min',
    'Mean',
    'Pad',
    'Resize',
    'Upsample',
    'ReduceMean',
    'ReduceSum',
    'ReduceMax',
    'ReduceMin',
  ].map(homogeneous),
]
