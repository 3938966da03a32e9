// Inputs with a default become constants: what nobody feeds can be folded and quantised like any other weight.
import { cloneModel } from '../onnx/index.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/** Makes constants of the inputs that have a default. Exact as long as nobody feeds them, so it is applied only when it is named. */
export const freezeInputs: Rewrite = defineRewrite({
  name: 'freeze-inputs',
  kind: 'exact',
  summary: 'makes inputs with a default constants, which cannot be fed any more',
  apply: (model, { statistics }) => {
    const { overridable } = model.graph
    if (!overridable || overridable.size === 0) return { model, statistics, changes: [], skipped: [] }
    const copy = cloneModel(model)
    const { overridable: _, ...graph } = copy.graph
    for (const [name, { value }] of overridable) graph.initializers.set(name, value)
    const names = [...overridable.keys()]
    const changes = [
      `${names.length} inputs with a default became constants: ${names.slice(0, 3).join(', ')}${names.length > 3 ? ' …' : ''}`,
    ]
    return { model: { ...copy, graph }, statistics, changes, skipped: [] }
  },
})
