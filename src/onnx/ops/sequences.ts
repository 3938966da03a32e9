// Operators that make, change or take apart sequences and optionals, and those whose outputs come out of a graph inside them.
import { intAttribute } from '../attributes.ts'
import { dtypeOf } from '../dtype.ts'
import type { Node } from '../model.ts'
import { type ValueType, wrapped } from '../value-type.ts'
import { type Bodies, defineOp, type OpFacts } from './facts.ts'

const tensor = (dtype: ValueType['dtype']): ValueType => ({ dtype, inside: [] })

/** What a sequence or an optional holds. */
function content(type: ValueType | undefined, of: 'sequence' | 'optional'): ValueType | undefined {
  return type?.inside[0] === of ? { ...type, inside: type.inside.slice(1) } : undefined
}

/** A value that goes around a Loop keeps its type; a scanned one comes out as a tensor of what each round gives. */
function loopOutput(
  node: Node,
  index: number,
  inputs: (index: number) => ValueType | undefined,
  bodies: Bodies,
): ValueType | undefined {
  const carried = node.inputs.slice(2).map((_, i) => inputs(i + 2))
  return carried[index] ?? bodies('body', [tensor('int64'), tensor('bool'), ...carried])[index + 1]
}

export const sequenceOps: readonly OpFacts[] = [
  ...['SplitToSequence', 'SequenceConstruct'].map((op) =>
    defineOp({ op, type: (_node, _index, inputs) => wrapped(inputs(0), 'sequence') }),
  ),
  defineOp({
    op: 'SequenceEmpty',
    typeAttributes: ['dtype'],
    type: (node) => wrapped(tensor(dtypeOf(intAttribute(node, 'dtype', 1))), 'sequence'),
  }),
  ...['SequenceInsert', 'SequenceErase'].map((op) => defineOp({ op, type: (_node, _index, inputs) => inputs(0) })),
  ...['SequenceAt', 'ConcatFromSequence'].map((op) =>
    defineOp({ op, type: (_node, _index, inputs) => content(inputs(0), 'sequence') }),
  ),
  defineOp({ op: 'SequenceLength', dtype: () => 'int64' }),
  defineOp({
    op: 'SequenceMap',
    type: (node, index, inputs, bodies) => {
      const each = node.inputs.map((_, i) => content(inputs(i), 'sequence') ?? inputs(i))
      return wrapped(bodies('body', each)[index], 'sequence')
    },
  }),
  defineOp({ op: 'Optional', type: (_node, _index, inputs) => wrapped(inputs(0), 'optional') }),
  defineOp({ op: 'OptionalHasElement', dtype: () => 'bool' }),
  defineOp({
    op: 'OptionalGetElement',
    type: (_node, _index, inputs) => content(inputs(0), 'optional') ?? inputs(0),
  }),
  defineOp({
    op: 'If',
    namesOutputs: true,
    type: (_node, index, _inputs, bodies) => bodies('then_branch')[index] ?? bodies('else_branch')[index],
  }),
  defineOp({ op: 'Loop', namesOutputs: true, type: loopOutput }),
  // What a Scan's body is given are parts of the inputs, which have their element types.
  defineOp({
    op: 'Scan',
    namesOutputs: true,
    type: (node, index, inputs, bodies) => {
      const given = node.inputs.map((_, i) => inputs(i))
      return bodies('body', given)[index]
    },
  }),
]
