// Types that neither the file nor the operators' facts tell: ONNX Runtime knows them all.
import { dtypeNumber, extractModel, inferTypes, type Model, type ValueInfo } from '../onnx/index.ts'
import { type Runtime, withSession } from './session.ts'

/**
 * The model with the element types of all its tensors known: those that do not follow from the file (outputs of operators
 * of other domains and of functions) are declared as ONNX Runtime has them. The same model where nothing is missing, or where
 * ONNX Runtime does not load it (whoever runs it hears why).
 */
export async function declareTypes(runtime: Runtime, model: Model): Promise<Model> {
  const known = inferTypes(model.graph)
  const open = model.graph.nodes.flatMap((node) => node.outputs).filter((name) => name !== '' && !known.has(name))
  if (open.length === 0) return model
  const types = await askRuntime(runtime, model, open)
  if (types.size === 0) return model
  const valueInfo = new Map(model.graph.valueInfo)
  for (const [name, type] of types) valueInfo.set(name, type)
  return { ...model, graph: { ...model.graph, valueInfo } }
}

/** A value of a type that JavaScript has no array for spoils the session that it is an output of: such values are left out. */
async function askRuntime(runtime: Runtime, model: Model, values: readonly string[]): Promise<Map<string, ValueInfo>> {
  const all = await typesIn(runtime, model, values)
  if (all || values.length === 1 || !(await typesIn(runtime, model, []))) return all ?? new Map()
  const half = values.length >> 1
  const parts = [values.slice(0, half), values.slice(half)]
  const found = new Map<string, ValueInfo>()
  for (const part of parts) for (const [name, type] of await askRuntime(runtime, model, part)) found.set(name, type)
  return found
}

/** Types of some values, or undefined when the model does not load with them as outputs; without any, the model itself is loaded. */
async function typesIn(
  runtime: Runtime,
  model: Model,
  values: readonly string[],
): Promise<Map<string, ValueInfo> | undefined> {
  const outputs = values.map((name) => ({ name }))
  const part = values.length === 0 ? model : extractModel(model, outputs)
  try {
    return await withSession(runtime, part, { optimization: 'disabled' }, async ({ outputTypes }) => {
      const found = new Map<string, ValueInfo>()
      for (const name of values) {
        const dtype = outputTypes[name]
        if (dtype !== undefined && dtypeNumber(dtype) > 0) found.set(name, { name, dtype })
      }
      return found
    })
  } catch {
    return undefined
  }
}
