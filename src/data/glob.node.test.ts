import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { globMatcher } from './glob.node.ts'

describe('globMatcher', () => {
  for (const [pattern, yes, no] of [
    ['*.jpg', ['a.jpg', 'a.b.jpg'], ['a.png', 'x/a.jpg', 'ajpg']],
    ['**/*.jpg', ['a.jpg', 'x/y/a.jpg'], ['a.jpg/x']],
    ['./a?.{jpg,png}', ['ab.jpg', 'ac.png'], ['a.jpg', 'ab.gif']],
    ['x+(1)/*', ['x+(1)/a'], ['xx1/a']],
    ['photo [2].jpg', ['photo [2].jpg'], ['photo 2.jpg']],
    ['a/**/b/*.png', ['a/b/c.png', 'a/x/y/b/c.png'], ['a/b/x/c.png', 'a/c.png']],
  ] as const)
    it(`reads ${pattern}`, () => {
      for (const path of yes) assert.ok(globMatcher(pattern)(path), path)
      for (const path of no) assert.ok(!globMatcher(pattern)(path), path)
    })
})
