import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UnsupportedError } from '../base/index.ts'
import { makeNode } from './edit.ts'
import { refuseGiants } from './giants.ts'
import { makeModel } from './make-model.ts'
import type { Model } from './model.ts'
import { Tensor } from './tensor.ts'

const ints = (...values: number[]) => Tensor.from('int64', [values.length], values)
const scalar = (value: number) => Tensor.from('int64', [], [value])

function making(opType: string, ...inputs: Tensor[]): Model {
  const names = inputs.map((_, index) => `c${index}`)
  return makeModel({
    name: 'giant',
    inputs: [],
    outputs: [{ name: 'y' }],
    nodes: [makeNode({ opType, name: 'big', inputs: names, outputs: ['y'] })],
    initializers: Object.fromEntries(inputs.map((tensor, index) => [`c${index}`, tensor])),
  })
}

describe('a value whose size constants decide', () => {
  const one = Tensor.from('float32', [1], [1])
  const giants: Record<string, Model> = {
    ConstantOfShape: making('ConstantOfShape', ints(100_000, 1_000_000)),
    Expand: making('Expand', one, ints(100_000, 1_000_000)),
    Tile: making('Tile', one, ints(1e12)),
    Range: making('Range', scalar(0), scalar(1e12), scalar(1)),
    Pad: making('Pad', one, ints(1e12, 0)),
  }
  for (const [what, model] of Object.entries(giants))
    it(`is refused as ${what} above 2 GB, before anything runs`, () => {
      assert.throws(
        () => refuseGiants(model, 'm.onnx'),
        (error) =>
          error instanceof UnsupportedError && /^cannot run m.onnx: node "big" .* makes a value of/.test(error.message),
      )
    })

  it('is let through below that, empty ones too', () => {
    refuseGiants(making('ConstantOfShape', ints(1000, 1000)))
    refuseGiants(making('ConstantOfShape', ints(0, 1e12)))
    refuseGiants(making('Range', scalar(0), scalar(-5), scalar(1)))
  })
})
