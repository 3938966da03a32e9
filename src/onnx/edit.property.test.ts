import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { drawings } from '../../test/support/random-graphs.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { GraphEditor } from './edit.ts'
import type { Model, Node } from './model.ts'
import { printModel } from './print.ts'
import { isSorted } from './sort.ts'
import { Tensor } from './tensor.ts'

const edits = fc.array(
  fc.record({ what: fc.constantFrom('bypass', 'insert', 'constant', 'replace', 'redirect', 'remove'), at: fc.nat(30) }),
  { maxLength: 10 },
)

/** One edit at a node picked by number; what does not fit is left out. */
function edit(editor: GraphEditor, what: string, at: number): void {
  const nodes = editor.nodes()
  const node = nodes[at % Math.max(nodes.length, 1)]
  const [input = '', output = ''] = [node?.inputs[0], node?.outputs[0]]
  if (!node) return
  if (what === 'bypass') editor.bypass(node)
  if (what === 'constant') editor.setConstant(node, node.inputs.length - 1, Tensor.scalar(at))
  if (what === 'replace') editor.replaceNode(node, { opType: 'Neg', inputs: [input], outputs: node.outputs })
  if (what === 'insert') {
    const value = editor.freshName(`${input}_more`)
    editor.addNode({ opType: 'Abs', inputs: [input], outputs: [value] })
    editor.setInput(node, 0, value)
  }
  if (what === 'redirect' && !editor.isOutput(output)) editor.redirect(output, input)
  if (what === 'remove' && editor.uses(output) === 0) editor.removeNode(node)
}

/** What the editor says of every value, counted again from the nodes. */
function assertTrue(editor: GraphEditor): void {
  const readers = new Map<string, Node[]>()
  for (const node of editor.nodes())
    for (const value of new Set(node.inputs)) readers.set(value, [...(readers.get(value) ?? []), node])
  for (const node of editor.nodes()) {
    for (const value of node.outputs) assert.equal(editor.producer(value), node)
    for (const value of [...node.inputs, ...node.outputs]) {
      assert.deepEqual(new Set(editor.consumers(value)), new Set(readers.get(value) ?? []), `readers of ${value}`)
      const slots = editor.nodes().flatMap((other) => other.inputs.filter((name) => name === value)).length
      assert.equal(editor.uses(value), slots + (editor.isOutput(value) ? 1 : 0), `uses of ${value}`)
    }
  }
}

/** Sorted, every value made once and before it is read, nothing that nobody needs. */
function assertWhole({ graph }: Model): void {
  assert.ok(isSorted(graph.nodes))
  const made = [...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]
  for (const node of graph.nodes) {
    for (const value of node.inputs) assert.ok(made.includes(value), `${value} is read before it is made`)
    made.push(...node.outputs)
  }
  assert.equal(new Set(made).size, made.length, 'a value is made twice')
  assert.equal(new Set(graph.nodes.map(({ name }) => name)).size, graph.nodes.length, 'two nodes have one name')
  const read = new Set([...graph.nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ name }) => name)])
  for (const { outputs } of graph.nodes)
    assert.ok(
      outputs.some((value) => read.has(value)),
      `${outputs} is not needed`,
    )
  for (const name of graph.initializers.keys()) assert.ok(read.has(name), `constant ${name} is not needed`)
}

describe('whatever is edited', () => {
  it('the editor knows who makes and who reads each value', () => {
    fc.assert(
      fc.property(drawings, edits, (drawing, list) => {
        const editor = new GraphEditor(tinyModel(drawing))
        for (const { what, at } of list) {
          edit(editor, what, at)
          assertTrue(editor)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('the result is sorted, whole and without what nobody needs; the model given stays as it was', () => {
    fc.assert(
      fc.property(drawings, edits, (drawing, list) => {
        const model = tinyModel(drawing)
        const before = printModel(model)
        const editor = new GraphEditor(model)
        for (const { what, at } of list) edit(editor, what, at)
        const edited = editor.finish()
        assertWhole(edited)
        assert.deepEqual(edited.graph.outputs, model.graph.outputs)
        assert.equal(printModel(model), before)
        assert.equal(
          printModel(new GraphEditor(edited).finish()),
          printModel(edited),
          'a second time changes something',
        )
      }),
      { numRuns: 60 },
    )
  })
})
