// Initialisers that are inputs too: constants in old files, defaults since IR 4, and often only an exporter's habit.
import type { Graph, Overridable } from './model.ts'

/** A model of this many initialisers that lists all of them as inputs follows an exporter's habit: nobody means to feed every weight. */
const HABIT = 8

/**
 * Takes initialisers that are inputs too out of both: before IR 4 they are constants, since then they are defaults. So it is not
 * where all of them are listed, as older exporters do at any IR.
 */
export function inputsWithDefaults(
  graph: Graph,
  irVersion: number,
  notes: string[],
): { graph: Graph; irVersion: number } {
  const both = graph.inputs.filter((input) => graph.initializers.has(input.name))
  if (both.length === 0) return { graph, irVersion }
  const inputs = graph.inputs.filter((input) => !graph.initializers.has(input.name))
  if (irVersion < 4) {
    notes.push(`${both.length} initialisers were also listed as inputs, as IR ${irVersion} asks; they are constants`)
    return { graph: { ...graph, inputs }, irVersion: 4 }
  }
  if (both.length === graph.initializers.size && both.length >= HABIT) {
    notes.push(
      `all ${both.length} initialisers are also listed as inputs, a habit of older exporters; they are taken for constants and can no longer be fed`,
    )
    return { graph: { ...graph, inputs }, irVersion }
  }
  const overridable = new Map<string, Overridable>()
  for (const info of both) {
    const value = graph.initializers.get(info.name)
    if (value) overridable.set(info.name, { info, value })
    graph.initializers.delete(info.name)
  }
  const names = both.slice(0, 3).map(({ name }) => `"${name}"`)
  notes.push(
    `${names.join(', ')}${both.length > 3 ? ` and ${both.length - 3} more` : ''}: inputs with a default, which may be fed, so that layers with such a weight stay as they are; if nobody feeds them, make them constants first (rewrite --passes freeze-inputs)`,
  )
  return { graph: { ...graph, inputs, overridable }, irVersion }
}
