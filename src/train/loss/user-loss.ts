// A loss of the user's own: an ONNX graph whose inputs are values of the model, labels, or values of the teacher.
import { InputError, isValueType, makeArray, sizeOf, type TensorValue } from '../../base/index.ts'
import { type Model, opsetOf } from '../../onnx/index.ts'
import { observeShapes, type Runtime } from '../../runtime/index.ts'
import type { LossSite, LossTerm } from './terms.ts'

/**
 * A loss from an ONNX model with one scalar float32 output. Its inputs are found by name: `labels`, `weights` (of the
 * rows), `logits`, `teacher:NAME`, or the name of any value of the model.
 * @throws InputError when it has not one output
 */
export function userLoss(runtime: Runtime, loss: Model, weight = 1): LossTerm {
  const [output, ...others] = loss.graph.outputs
  if (!output || others.length > 0)
    throw new InputError(`the loss graph must have one output, a scalar; it has ${loss.graph.outputs.length}`)
  return {
    name: loss.graph.name || 'user loss',
    weight,
    build: (site) => inline(runtime, site, loss, output.name),
  }
}

async function inline(runtime: Runtime, site: LossSite, loss: Model, output: string): Promise<string> {
  const { editor } = site.g
  const needed = opsetOf(loss)
  if (needed > opsetOf(editor.model)) editor.model.opsets.set('', needed)
  const names = new Map<string, string>([['', '']])
  const feeds: Record<string, TensorValue> = {}
  for (const { name } of loss.graph.inputs) {
    const value = given(site, name)
    const { dims, dtype } = site.g.known(value)
    names.set(name, value)
    if (isValueType(dtype)) feeds[name] = { dtype, dims, data: makeArray(dtype, sizeOf(dims)) }
  }
  const shapes = await observeShapes(runtime, loss, feeds, 'the loss graph')
  for (const [name, tensor] of loss.graph.initializers) names.set(name, editor.addTensor(`loss/${name}`, tensor))
  const rename = (name: string): string => {
    const known = names.get(name)
    if (known !== undefined) return known
    const fresh = editor.freshName(`loss/${name}`)
    names.set(name, fresh)
    return fresh
  }
  for (const node of loss.graph.nodes)
    editor.addNode({
      opType: node.opType,
      name: `loss/${node.name}`,
      domain: node.domain,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
      attributes: Object.fromEntries(node.attributes),
    })
  for (const [name, { dims, dtype }] of shapes) if (!(name in feeds)) site.g.declare(rename(name), dims, dtype)
  return rename(output)
}

function given(site: LossSite, name: string): string {
  if (name === 'labels') return site.labels()
  if (name === 'weights') return site.rowWeight()
  if (name === 'logits') return site.logits()
  if (name.startsWith('teacher:')) return site.teacher(name.slice('teacher:'.length))
  return site.value(name)
}
