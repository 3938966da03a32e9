// Every node gets a name of its own: ONNX Runtime's fusions fail on unnamed nodes, and reports need something to point at.
import { allNodes } from '../onnx/index.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/**
 * Names unnamed nodes after their first output; a name used before gets a number. Sub-graphs included. Exact.
 */
export const nameNodes: Rewrite = defineRewrite({
  name: 'name-nodes',
  kind: 'exact',
  summary: 'gives every node a unique name',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      const nodes = [...allNodes(editor.graph)]
      // Names that stand stay: taken ones are known before the first new one is made.
      const taken = new Set(nodes.map((node) => node.name))
      const seen = new Set([''])
      let count = 0
      for (const node of nodes) {
        if (!seen.has(node.name)) {
          seen.add(node.name)
          continue
        }
        const hint = node.name || node.outputs.find((output) => output !== '') || node.opType
        let name = hint
        for (let i = 1; taken.has(name); i++) name = `${hint}_${i}`
        node.name = name
        taken.add(name)
        seen.add(name)
        count++
      }
      if (count > 0) log.changes.push(`${count} nodes named after their outputs`)
    }),
})
