import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { globToRegExp } from './glob.node.ts'

describe('globToRegExp', () => {
  for (const [pattern, yes, no] of [
    ['*.jpg', ['a.jpg', 'a.b.jpg'], ['a.png', 'x/a.jpg', 'ajpg']],
    ['**/*.jpg', ['a.jpg', 'x/y/a.jpg'], ['a.jpg/x']],
    ['./a?.{jpg,png}', ['ab.jpg', 'ac.png'], ['a.jpg', 'ab.gif']],
    ['x+(1)/*', ['x+(1)/a'], ['xx1/a']],
  ] as const)
    it(`reads ${pattern}`, () => {
      for (const path of yes) assert.match(path, globToRegExp(pattern))
      for (const path of no) assert.doesNotMatch(path, globToRegExp(pattern))
    })
})
