// Who is to blame for a NaN: the sample, a constant of the model, or an operator that makes it of finite values.
import { InputError, type TensorValue } from '../base/index.ts'
import { type NonFiniteKind, nonFiniteKind } from '../math/index.ts'
import { constantsOf, GraphEditor, intAttr, isFloat, type Model, type Node, nodeName, readsOf } from '../onnx/index.ts'
import { type Runtime, typesOf, type Values, withSession } from '../runtime/index.ts'

/** A value that is NaN or infinite where only finite ones can be worked with. */
export interface NonFinite {
  readonly tensor: string
  readonly kind: NonFiniteKind
  /** The samples that it may come from: one, or all of a batch. */
  readonly ids: readonly string[]
}

/**
 * The error for a value that is not finite: follows it back to where it begins, on that sample alone. A NaN is followed before
 * an infinity, and a constant before a computed value: an attention mask may hold infinities by intention.
 * @param inputs of the sample (or of the batch, where values are not one a sample)
 */
export async function blame(
  runtime: Runtime,
  model: Model,
  { tensor, kind, ids }: NonFinite,
  inputs: Values,
): Promise<InputError> {
  const sample = ids.length === 1 ? `sample ${ids[0] ?? '?'}` : `samples ${ids.join(', ')}`
  const found = await beginning(runtime, model, { value: tensor, kind }, inputs).catch(() => undefined)
  const check = 'such values have no range: check the sample and its preprocessing'
  if (!found)
    return new InputError(`tensor "${tensor}" is ${kind} for ${sample}; ${check}, or exclude the layer`, { tensor })
  if (!found.node)
    return new InputError(`tensor "${found.value}" is ${found.kind} for ${sample}; ${check}`, { tensor: found.value })
  const { node, value, constant } = found
  const where = { tensor: value, node: nodeName(node), op: node.opType }
  const by = `${node.opType} "${nodeName(node)}"`
  if (constant)
    return new InputError(
      `tensor "${value}", a constant of ${by}, holds ${found.kind === 'NaN' ? 'NaN' : 'infinite values'}: the model is at fault, not the samples; export it again`,
      where,
    )
  return new InputError(
    `tensor "${value}" is ${found.kind} for ${sample}; ${by} makes it of finite values: check the sample and its preprocessing, or exclude the layer`,
    where,
  )
}

interface Beginning {
  readonly value: string
  readonly kind: NonFiniteKind
  /** The node that reads the constant, or that makes the value; absent for a graph input. */
  readonly node?: Node
  readonly constant?: boolean
}

/** Where it begins that a value is not finite on these inputs. */
async function beginning(runtime: Runtime, model: Model, found: Beginning, inputs: Values): Promise<Beginning> {
  const kinds = await nonFiniteValues(runtime, model, inputs)
  const constants = constantsOf(model.graph)
  const producers = new Map<string, Node>()
  for (const node of model.graph.nodes) for (const output of node.outputs) producers.set(output, node)
  let at: Beginning = { value: found.value, kind: kinds.get(found.value) ?? found.kind }
  // Each step goes towards the inputs, so there are no more of them than nodes.
  for (let step = 0; step <= model.graph.nodes.length; step++) {
    const node = producers.get(at.value)
    if (!node) return at
    const reads = [...readsOf(node)]
    const candidates = reads.flatMap((value): Beginning[] => {
      const own = kinds.get(value)
      const tensor = own ? undefined : constants(value)
      const inside = tensor && isFloat(tensor.dtype) ? nonFiniteKind(tensor.floats()) : undefined
      if (inside) return [{ value, kind: inside, node, constant: true }]
      return own ? [{ value, kind: own }] : []
    })
    const next =
      candidates.find((each) => each.kind === 'NaN' && each.constant) ??
      candidates.find((each) => each.kind === 'NaN') ??
      candidates.find((each) => !each.constant) ??
      candidates[0]
    if (!next) return { ...at, node }
    if (next.constant) return next
    at = next
  }
  return at
}

/** Number of the type in ONNX. */
const FLOAT64 = 11

/** Values that are not finite on these inputs, of the main graph; shown by sums, since maxima lose NaN. */
export async function nonFiniteValues(
  runtime: Runtime,
  model: Model,
  inputs: Values,
): Promise<Map<string, NonFiniteKind>> {
  const kinds = new Map<string, NonFiniteKind>()
  const take = (value: string, data: TensorValue['data'] | undefined) => {
    const kind = data instanceof Float32Array || data instanceof Float64Array ? nonFiniteKind(data) : undefined
    if (kind) kinds.set(value, kind)
  }
  for (const [name, { data }] of Object.entries(inputs)) take(name, data)
  const editor = new GraphEditor(model)
  const types = typesOf(model)
  const sums = new Map<string, string>()
  editor.graph.outputs.splice(0)
  for (const node of editor.nodes())
    for (const value of node.outputs) {
      if (value === '' || !isFloat(types.get(value) ?? 'undefined')) continue
      const [wide, output] = [editor.freshName(`${value}/wide`), editor.freshName(`${value}/sum`)]
      // In float64 large values do not overflow on the way.
      editor.addNode({ opType: 'Cast', inputs: [value], outputs: [wide], attributes: { to: intAttr(FLOAT64) } })
      editor.addNode({ opType: 'ReduceSum', inputs: [wide], outputs: [output] })
      editor.graph.outputs.push({ name: output, dtype: 'float64' })
      sums.set(value, output)
    }
  const results = await withSession(
    runtime,
    editor.finish(),
    { optimization: 'disabled', derived: 'looking for NaN' },
    (session) => session.run(inputs),
  )
  for (const [value, output] of sums) take(value, results[output]?.data)
  return kinds
}
