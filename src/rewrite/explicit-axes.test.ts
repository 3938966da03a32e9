import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { itKeepsTheFunction, itLeavesAlone } from '../../test/support/rewrite-conformance.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { intsAttr, type Model, stringAttr, Tensor } from '../onnx/index.ts'
import { explicitAxes } from './explicit-axes.ts'
import type { RewriteResult } from './rewrite.ts'

/** x -> op -> y with its numbers at input `index`, constant or not. */
function withAxes(
  op: 'Pad' | 'Resize',
  index: number,
  numbers: Tensor,
  axes: readonly number[],
  constant = true,
): Model {
  const model = tinyModel(`x[N,3,4,5] -> ${op} -> y`, { opset: 18 })
  const { graph } = model
  const [node] = graph.nodes
  graph.initializers.set('numbers', numbers)
  if (!constant) graph.nodes.unshift({ ...tinyModel('numbers[1] -> Neg -> minus -> Neg -> live').graph.nodes[0]! })
  while ((node?.inputs.length ?? index) < index) node?.inputs.push('')
  node?.inputs.push(constant ? 'numbers' : 'minus')
  if (op === 'Resize') {
    node?.attributes.set('axes', intsAttr(axes))
    node?.attributes.set('mode', stringAttr('nearest'))
  } else {
    graph.initializers.set('axes', Tensor.from('int64', [axes.length], axes))
    node?.inputs.push('', 'axes')
  }
  return model
}

const ints = (...values: number[]) => Tensor.from('int64', [values.length], values)
const floats = (...values: number[]) => Tensor.from('float32', [values.length], values)
const opsIn = ({ model }: RewriteResult) => model.graph.nodes.map(({ opType }) => opType)

describe('explicit-axes', () => {
  const cases: Record<string, Model> = {
    'Pad of the last two axes': withAxes('Pad', 1, ints(1, 0, 2, 1), [2, 3]),
    'Pad of axes in another order, counted from the end': withAxes('Pad', 1, ints(1, 0, 2, 1), [-1, 1]),
    'Pad whose numbers are computed': withAxes('Pad', 1, ints(-1, 0, -2, -1), [2, 3], false),
    'Resize by scales': withAxes('Resize', 2, floats(2, 1.5), [2, 3]),
    'Resize to sizes': withAxes('Resize', 3, ints(11, 9), [3, 2]),
    'Resize to sizes that are computed': withAxes('Resize', 3, ints(-11, -9), [2, 3], false),
  }
  for (const [what, model] of Object.entries(cases))
    describe(what, () =>
      itKeepsTheFunction(explicitAxes, model, {
        and: (result) => {
          const last = result.model.graph.nodes.at(-1)
          assert.equal(last?.attributes.has('axes'), false, opsIn(result).join())
          assert.equal(last?.inputs[3] === 'axes', false)
        },
      }),
    )

  itLeavesAlone(explicitAxes, tinyModel('x[N,3,4,5] -> Pad ints(0,0,1,1,0,0,1,1) -> y', { opset: 18 }))
})
