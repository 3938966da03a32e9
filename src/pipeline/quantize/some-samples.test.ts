import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Shapes } from '../../onnx/index.ts'
import { walkSize } from './some-samples.ts'

it('fewer samples walk where maps are large, and never fewer than two', () => {
  const shapes = (...dims: number[]): Shapes => new Map([['a', { dims, dtype: 'float32' as const, batchAxis: 0 }]])
  assert.equal(walkSize(shapes(1, 32, 56, 56), 24), 24)
  assert.equal(walkSize(shapes(1, 64, 512, 512), 24), 3)
  assert.equal(walkSize(shapes(1, 64, 1024, 1024), 24), 2)
  assert.equal(walkSize(shapes(1, 64, 1024, 1024), 1), 1)
})
