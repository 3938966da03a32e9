import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { printModel } from './print.ts'
import { readModel } from './read.ts'

/** Fields by hand: number, wire type, bytes. */
const varint = (value: number): number[] => (value < 128 ? [value] : [(value % 128) + 128, ...varint(value >> 7)])
const bytes = (number: number, body: readonly number[]) => [...varint(number * 8 + 2), ...varint(body.length), ...body]
const int = (number: number, value: number) => [...varint(number * 8), ...varint(value)]
const text = (number: number, value: string) => bytes(number, [...new TextEncoder().encode(value)])
const float32 = (...values: number[]) => [...new Uint8Array(Float32Array.from(values).buffer)]
const unpacked = (...values: number[]) => values.flatMap((value) => [...varint(4 * 8 + 5), ...float32(value)])
const doubles = (...values: number[]) =>
  values.flatMap((value) => [...varint(10 * 8 + 1), ...new Uint8Array(Float64Array.of(value).buffer)])

/** A model of one Identity whose tensors hold their floats as given. */
function file(weight: readonly number[], attribute: readonly number[], count = 3): Uint8Array {
  const tensor = (name: string, type: number, data: readonly number[]) => [
    ...int(1, count),
    ...int(2, type),
    ...data,
    ...text(8, name),
  ]
  const inAttribute = [...text(1, 'value'), ...int(20, 4), ...bytes(5, tensor('c', 11, attribute))]
  const node = [...text(2, 'y'), ...text(4, 'Constant'), ...bytes(5, inAttribute)]
  const graph = [...bytes(1, node), ...text(2, 'g'), ...bytes(5, tensor('w', 1, weight)), ...bytes(12, text(1, 'y'))]
  const opset = [...text(1, ''), ...int(2, 13)]
  return Uint8Array.from([...int(1, 8), ...bytes(8, opset), ...bytes(7, graph)])
}

describe('floats that are not packed', () => {
  const expected = [1.5, -2, 3]
  const weightOf = (data: Uint8Array) => [...(readModel(data).graph.initializers.get('w')?.floats() ?? [])]

  it('are read when they are written one by one', () => {
    const data = file(unpacked(1.5, -2, 3), doubles(4, 5, 6))
    assert.deepEqual(weightOf(data), expected)
    const value = readModel(data).graph.nodes[0]?.attributes.get('value')
    assert.deepEqual(value?.type === 'tensor' ? [...value.value.numbers()] : [], [4, 5, 6])
  })

  it('are read when they come in several chunks', () => {
    assert.deepEqual(
      weightOf(file([...bytes(4, float32(1.5)), ...bytes(4, float32(-2, 3))], doubles(4, 5, 6))),
      expected,
    )
  })

  it('give the same model as packed ones', () => {
    const packed = bytes(10, [...new Uint8Array(Float64Array.of(4, 5, 6).buffer)])
    const [one, other] = [file(bytes(4, float32(1.5, -2, 3)), packed), file(unpacked(1.5, -2, 3), doubles(4, 5, 6))]
    assert.equal(printModel(readModel(one)), printModel(readModel(other)))
  })

  it('that are too few are still refused', () => {
    assert.throws(
      () => weightOf(file(unpacked(1.5, -2), doubles(4, 5, 6))),
      /tensor "w" has 8 bytes of data, its shape \[3\]/,
    )
  })
})
