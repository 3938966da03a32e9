import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Shapes } from '../../onnx/index.ts'
import { glanceSize, walkSize } from './some-samples.ts'

const shapes = (...dims: number[]): Shapes => new Map([['a', { dims, dtype: 'float32' as const, batchAxis: 0 }]])

it('fewer samples walk where maps are large, and never fewer than two', () => {
  assert.equal(walkSize(shapes(1, 32, 56, 56), 24), 24)
  assert.equal(walkSize(shapes(1, 64, 512, 512), 24), 3)
  assert.equal(walkSize(shapes(1, 64, 1024, 1024), 24), 2)
  assert.equal(walkSize(shapes(1, 64, 1024, 1024), 1), 1)
})

it('fewer samples walk through many values, and one is enough to look at layers where an inference takes seconds', () => {
  const many: Shapes = new Map(Array.from({ length: 40 }, (_, i) => [`${i}`, shapes(1, 64, 400, 400).get('a')!]))
  assert.equal(walkSize(many, 24), 2)
  assert.equal(glanceSize(many, 8), 1)
  const few: Shapes = new Map([...many].slice(0, 5))
  assert.equal(walkSize(few, 24), 6)
  assert.equal(glanceSize(few, 8), 6)
})
