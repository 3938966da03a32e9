// Fused operators written out for the gradient; the file that is written keeps them.
import { UnsupportedError } from '../../base/index.ts'
import { sqnrDb } from '../../math/index.ts'
import { GraphEditor, isFloat, type Model, nodeName, type Shapes } from '../../onnx/index.ts'
import { observe, type Runtime, type ShapedSample, withSession } from '../../runtime/index.ts'
import { Emitter } from '../graph/emitter.ts'
import { activationExpansions } from './activations.ts'
import { attentionExpansions } from './attention.ts'
import { keyOf } from './fused.ts'
import { normExpansions } from './norms.ts'
import { rotaryExpansions } from './rotary.ts'

const table = new Map(
  Object.entries({ ...activationExpansions, ...attentionExpansions, ...normExpansions, ...rotaryExpansions }),
)

export interface Expanded {
  readonly model: Model
  readonly shapes: Shapes
  /** Names of fused nodes that stay → why. */
  readonly left: ReadonlyMap<string, string>
}

/** Has the model operators that are written out? */
export function hasFused({ graph }: Model): boolean {
  return graph.nodes.some((node) => table.has(keyOf(node)))
}

/** Expansions that were proved hold to this, in dB, on the sample: float32 rounding in another order. */
const BOUND_DB = 80

/**
 * Writes fused operators of a model of fixed sizes out in primitive ones, runs both on feeds, and gives the expanded model.
 * @throws UnsupportedError when the two are not the same
 */
export async function expandFused(
  runtime: Runtime,
  { model, shapes, feeds }: ShapedSample,
  label = 'the model',
): Promise<Expanded> {
  const { expanded, left, names } = written(model, shapes)
  if (names.length === 0) return { model, shapes, left }
  const before = await withSession(runtime, model, { optimization: 'disabled', label }, (session) => session.run(feeds))
  const after = await observe(runtime, expanded, feeds, { label })
  for (const { name } of model.graph.outputs) {
    const [x, y] = [before[name], after.outputs[name]]
    if (!x || !y || !isFloat(x.dtype)) continue
    const db = sqnrDb(x.data as Float32Array, y.data as Float32Array) ?? Number.POSITIVE_INFINITY
    if (!(db >= BOUND_DB))
      throw new UnsupportedError(
        `cannot train ${label}: ${names.join(', ')} written out in primitive operators give output "${name}" with ${db.toFixed(0)} dB, expected at least ${BOUND_DB}; train only layers behind them (--only)`,
        { tensor: name },
      )
  }
  return { model: expanded, shapes: after.shapes, left }
}

function written(model: Model, shapes: Shapes) {
  const editor = new GraphEditor(model)
  const g = new Emitter(editor, shapes)
  const left = new Map<string, string>()
  const names: string[] = []
  for (const node of editor.nodes()) {
    const expansion = table.get(keyOf(node))
    if (!expansion) continue
    const { outputs } = node
    const values = expansion(g, {
      node,
      input: (index) => node.inputs[index] || undefined,
      asked: (index) => outputs[index] !== undefined && outputs[index] !== '' && editor.uses(outputs[index]) > 0,
    })
    if ('because' in values) {
      left.set(nodeName(node), values.because)
      continue
    }
    names.push(nodeName(node))
    editor.removeNode(node)
    for (const [i, output] of outputs.entries()) {
      const value = values[i]
      if (output && value !== undefined) editor.addNode({ opType: 'Identity', inputs: [value], outputs: [output] })
    }
  }
  return { expanded: names.length === 0 ? model : editor.finish(), left, names }
}
