// Where NaN or infinity came from: the first tensor, in graph order, that is not finite.
import { GraphEditor, isFloat, type Model, type Tensor } from '../../onnx/index.ts'
import { type Runtime, typesOf, type Values, withSession } from '../../runtime/index.ts'

/** Name of the first value that is not finite on these feeds, with sums (maxima lose NaN); undefined: all are finite. */
export async function firstNonFinite(runtime: Runtime, model: Model, feeds: Values): Promise<string | undefined> {
  for (const [name, { data }] of Object.entries(feeds))
    if (data instanceof Float32Array && !data.every(Number.isFinite)) return name
  const editor = new GraphEditor(model)
  const types = typesOf(model)
  const sums = new Map<string, string>()
  for (const node of editor.nodes())
    for (const value of node.outputs) {
      if (value === '' || !isFloat(types.get(value) ?? 'undefined')) continue
      const output = editor.freshName(`${value}/sum`)
      editor.addNode({ opType: 'ReduceSum', inputs: [value], outputs: [output] })
      editor.graph.outputs.push({ name: output, dtype: 'float32' })
      sums.set(value, output)
    }
  const results = await withSession(
    runtime,
    editor.finish(),
    { optimization: 'disabled', derived: 'looking for NaN' },
    (s) => s.run(feeds),
  )
  for (const [value, output] of sums) if (!Number.isFinite(Number(results[output]?.data[0]))) return value
  return undefined
}

/** @returns the first index of a tensor that is not finite, or -1 */
export function firstBad(tensor: Tensor): number {
  return tensor.floats().findIndex((value) => !Number.isFinite(value))
}
