// What the checks in docs/extending.md look at.

import { makeNode } from '../../src/onnx/index.ts'
import type { QuantizeRecipe } from '../../src/pipeline/index.ts'
import type { TechniqueRow } from '../../src/report/index.ts'
import { applyRewrites, passes } from '../../src/rewrite/index.ts'
import { openRuntime } from '../../src/runtime/index.node.ts'
import type { Runtime } from '../../src/runtime/index.ts'
import { gradientRuleOf } from '../../src/train/rules/index.ts'
import { quantizeGraph } from './fresh-scores.ts'
import { families, opGraph } from './op-graphs.ts'
import { tinyModel } from './tiny-model.ts'

async function inRuntime<T>(work: (runtime: Runtime) => Promise<T>): Promise<T> {
  const runtime = await openRuntime({ threads: 1 })
  try {
    return await work(runtime)
  } finally {
    await runtime.close()
  }
}

/** Two convolutions and a classifier behind them. */
function family() {
  const found = families().find(({ name }) => name === 'map/none')
  if (!found) throw new Error('there is no such family')
  return found
}

const quantizeSmall = (words: Partial<QuantizeRecipe>) =>
  inRuntime((runtime) => quantizeGraph(runtime, opGraph(family(), 0, 8), words))

/** The rows of a search on a small network. */
export async function searchedRows(words: Partial<QuantizeRecipe>): Promise<readonly TechniqueRow[]> {
  return (await quantizeSmall(words)).ladder ?? []
}

/** Operators of a drawn model after all passes. */
export async function rewrittenOps(drawing: string): Promise<string[]> {
  const model = tinyModel(drawing)
  const x = { dtype: 'float32', dims: [2, 3], data: Float32Array.of(1, -2, 3, -4, 5, -6) } as const
  const rewritten = await inRuntime((runtime) => applyRewrites(runtime, { model, feeds: { x } }, passes))
  return rewritten.model.graph.nodes.map(({ opType }) => opType)
}

/** Zero points of the activations of a small network, each once. */
export async function zeroPointsOf(words: object): Promise<number[]> {
  const { plan } = await quantizeSmall(words)
  return [...new Set([...(plan?.activations.values() ?? [])].flatMap(({ params }) => [...params.zeroPoint]))]
}

export const hasGradient = (opType: string): boolean =>
  gradientRuleOf(makeNode({ opType, inputs: ['x'], outputs: ['y'] })) !== undefined
