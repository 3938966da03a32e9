import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UsageError } from '../base/index.ts'
import { makeNode, type Node } from '../onnx/index.ts'
import { selector } from './select.ts'

const names = [
  '/model/conv1/Conv',
  '/model/conv2/Conv',
  'head[0](a)',
  'head[1]{b}',
  '.hidden',
  'a+b|c',
  'conv10',
] as const

const nodeOf = (name: string, opType = 'Conv'): Node => makeNode({ name, opType, inputs: [], outputs: [] })

/** The names that the pattern picks. */
function picked(...patterns: readonly string[]): readonly string[] {
  const nodes = names.map((name) => nodeOf(name))
  return nodes.filter(selector(patterns, nodes, '--exclude')).map((node) => node.name)
}

describe('patterns of nodes', () => {
  it('are whole names', () => {
    for (const name of names) assert.deepEqual(picked(name), [name])
    assert.throws(() => picked('model'), UsageError)
  })

  it('have stars that go across slashes, and over names that begin with a slash or a dot', () => {
    assert.deepEqual(picked('/model/*'), ['/model/conv1/Conv', '/model/conv2/Conv'])
    assert.deepEqual(picked('*conv1*'), ['/model/conv1/Conv', 'conv10'])
    assert.deepEqual(picked('*/Conv'), ['/model/conv1/Conv', '/model/conv2/Conv'])
    assert.deepEqual(picked('*'), [...names])
  })

  it('take brackets, braces and bars as they are', () => {
    assert.deepEqual(picked('head[0](*'), ['head[0](a)'])
    assert.deepEqual(picked('head[*'), ['head[0](a)', 'head[1]{b}'])
    assert.deepEqual(picked('*{b}'), ['head[1]{b}'])
    assert.deepEqual(picked('a+b|*'), ['a+b|c'])
  })

  it('have a question mark for one letter', () => assert.deepEqual(picked('conv1?'), ['conv10']))

  it('are regular expressions between slashes', () => {
    assert.deepEqual(picked('/conv[12]\\//'), ['/model/conv1/Conv', '/model/conv2/Conv'])
    assert.throws(() => picked('/(/'), /"\/\(\/" is not a regular expression/)
  })

  it('are operators', () => {
    const nodes = [nodeOf('a'), nodeOf('b', 'Gemm')]
    assert.deepEqual(nodes.filter(selector(['Gemm'], nodes, '--only')), [nodes[1]])
  })

  it('that fit nothing are an error that names what is near', () => {
    assert.throws(
      () => picked('head[2]'),
      /--exclude "head\[2\]" fits no node; near it are head\[0\]\(a\), head\[1\]\{b\}/,
    )
    assert.throws(() => picked('zzz'), /`onnxpress inspect` lists the layers/)
  })
})
