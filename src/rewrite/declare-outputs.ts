// Outputs say how many dimensions they have: ONNX's checker asks for it, and exporters forget it.
import { cloneModel, rankOf } from '../onnx/index.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/** Declares graph outputs without a shape with as many free dimensions as they were observed to have. Exact. */
export const declareOutputs: Rewrite = defineRewrite({
  name: 'declare-outputs',
  kind: 'exact',
  summary: 'declares the rank of outputs that have no shape',
  apply: (model, { shapes, statistics }) => {
    const changes: string[] = []
    const copy = cloneModel(model)
    for (const [index, { name, dtype, shape }] of copy.graph.outputs.entries()) {
      const rank = rankOf(shapes, name)
      if (dtype === undefined || shape !== undefined || rank === undefined) continue
      copy.graph.outputs[index] = { name, dtype, shape: Array.from({ length: rank }, () => null) }
      changes.push(`output ${name} has ${rank} dimensions`)
    }
    return { model: changes.length > 0 ? copy : model, statistics, changes, skipped: [] }
  },
})
