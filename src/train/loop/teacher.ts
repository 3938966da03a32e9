// The teacher of a distillation: values of the float model, computed once a sample where samples do not change.
import type { TensorValue } from '../../base/index.ts'
import { extractModel, type Model } from '../../onnx/index.ts'
import type { Runtime, Session, Values } from '../../runtime/index.ts'
import { fixedTo } from '../prepare.ts'

/** Bytes of the teacher's values that are kept, at most. */
const KEPT_BYTES = 5e8

export interface Teacher {
  /** The teacher's values on a batch, by name. `keep`: the samples are the same the next time. */
  readonly run: (places: readonly number[], inputs: Values, keep: boolean) => Promise<Values>
}

/** The teacher's model, the values that a training graph asks for, and the samples of a run. */
export interface Taught {
  readonly model: Model
  readonly values: readonly string[]
  readonly batch: number
}

/** Opens the teacher for the values that a training graph asks for, hands it to `work`, closes it. */
export async function withTeacher<T>(
  runtime: Runtime,
  { model, values, batch }: Taught,
  work: (teacher: Teacher) => Promise<T>,
): Promise<T> {
  if (values.length === 0) return work({ run: async () => ({}) })
  const part = extractModel(
    model,
    values.map((name) => ({ name, dtype: 'float32' as const })),
  )
  let session: Session | undefined
  const kept = new Map<number, readonly Float32Array[]>()
  let bytes = 0
  const open = async (inputs: Values) => {
    session ??= await runtime.open(fixedTo(part, inputs), { label: 'the teacher', derived: 'reading its inner values' })
    const wanted = Object.fromEntries(
      part.graph.inputs.flatMap(({ name }) => (inputs[name] ? [[name, inputs[name]]] : [])),
    )
    return session.run(wanted)
  }
  const dims = new Map<string, readonly number[]>()
  try {
    return await work({
      run: async (places, inputs, keep) => {
        if (keep && places.every((place) => kept.has(place))) return assemble({ values, dims, batch }, places, kept)
        const results = await open(inputs)
        for (const name of values) dims.set(name, results[name]?.dims ?? [])
        if (keep && bytes < KEPT_BYTES)
          for (const [i, place] of places.entries()) {
            const rows = values.map((name) => rowOf(results[name], i, batch))
            bytes += rows.reduce((sum, row) => sum + row.byteLength, 0)
            kept.set(place, rows)
          }
        return results
      },
    })
  } finally {
    await session?.close()
  }
}

function rowOf(value: TensorValue | undefined, row: number, batch: number): Float32Array {
  if (!(value?.data instanceof Float32Array)) return new Float32Array(0)
  const each = value.data.length / batch
  return value.data.slice(row * each, (row + 1) * each)
}

/** Values of a batch, and their shapes. */
interface BatchValues {
  readonly values: readonly string[]
  readonly dims: ReadonlyMap<string, readonly number[]>
  readonly batch: number
}

/** A batch of rows that are known. */
function assemble(
  { values, dims, batch }: BatchValues,
  places: readonly number[],
  kept: ReadonlyMap<number, readonly Float32Array[]>,
): Values {
  return Object.fromEntries(
    values.map((name, index): [string, TensorValue] => {
      const each = kept.get(places[0] ?? 0)?.[index]?.length ?? 0
      const data = new Float32Array(batch * each)
      for (const [i, place] of places.entries()) data.set(kept.get(place)?.[index] ?? [], i * each)
      return [name, { dtype: 'float32', dims: dims.get(name) ?? [], data }]
    }),
  )
}
