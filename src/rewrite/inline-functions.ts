// Functions of the model's own are written out where they are called: every layer is found where layers are looked for.
import { inlineFunctions as inlineCalls, type Model, nodeName } from '../onnx/index.ts'
import { defineRewrite, type Rewrite, type RewriteContext, type RewriteResult } from './rewrite.ts'

/**
 * Writes out the model's own functions where they are called, in sub-graphs and in each other too; values and nodes are named
 * after the call. Exact.
 */
export const inlineFunctions: Rewrite = defineRewrite({
  name: 'inline-functions',
  kind: 'exact',
  summary: "writes out the model's own functions where they are called",
  apply: writeOutFunctions,
})

function writeOutFunctions(model: Model, { statistics }: RewriteContext): RewriteResult {
  const { functions } = model
  if (!functions) return { model, statistics, changes: [], skipped: [] }
  const { model: written, calls } = inlineCalls(model)
  const counts = new Map(functions.map(({ name }) => [name, [] as string[]]))
  for (const call of calls) counts.get(call.opType)?.push(nodeName(call))
  const changes = [...counts].map(([name, nodes]) => {
    const some = nodes.length > 3 ? `${nodes.slice(0, 3).join(', ')} …` : nodes.join(', ')
    if (nodes.length === 0) return `function ${name} is never called`
    return `function ${name} written out ${nodes.length === 1 ? 'once' : `${nodes.length} times`}: ${some}`
  })
  return { model: written, statistics, changes, skipped: [] }
}
