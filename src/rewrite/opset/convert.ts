// Takes a model from one opset to a later one, all graphs and nodes or none.
import { type GraphEditor, type Model, type Node, nodeName, opsetOf } from '../../onnx/index.ts'
import { editModel } from '../edit-pass.ts'
import type { RewriteContext, RewriteResult } from '../rewrite.ts'
import { type Scope, scopesOf } from './scope.ts'
import { unchanged } from './unchanged.ts'
import type { OpUpgrades } from './upgrade.ts'
import { upgrades } from './upgrades.ts'

/** Opsets that the upgrade table covers: from, to. */
export const OLDEST = 7
export const NEWEST = 21

const table = new Map<string, OpUpgrades['at']>()
for (const { op, at } of [...unchanged.map((name): OpUpgrades => ({ op: name, at: {} })), ...upgrades]) {
  if (table.has(op)) throw new Error(`upgrades of ${op} are listed twice`)
  table.set(op, at)
}

/** Converts a model that has no functions; `skipped` says which operator has no known upgrade. */
export function convertModel(model: Model, context: RewriteContext, target: number): RewriteResult {
  const from = opsetOf(model)
  const unconverted = (skipped: string[]): RewriteResult => ({
    model,
    statistics: context.statistics,
    changes: [],
    skipped,
  })
  if (from >= target) return unconverted([])
  if (from < OLDEST) return unconverted([`opset ${from} is older than ${OLDEST}, from which models can be converted`])
  const refusals: string[] = []
  const result = editModel(model, context, (editor, log) => {
    const scopes = scopesOf(editor, context.shapes)
    for (const scope of scopes) refusals.push(...unknownOps(scope))
    if (refusals.length > 0) return
    let upgraded = 0
    for (let version = from + 1; version <= target; version++)
      for (const scope of scopes) upgraded += step(scope, version, refusals)
    setOpset(editor, target)
    log.changes.push(`opset ${from} → ${target}; ${upgraded} nodes took a new form`)
  })
  return refusals.length === 0 ? result : unconverted(refusals.map((why) => `stays at opset ${from}: ${why}`))
}

const isOnnx = (node: Node) => node.domain === '' || node.domain === 'ai.onnx'

function unknownOps(scope: Scope): string[] {
  const unknown = scope.nodes.filter((node) => isOnnx(node) && !table.has(node.opType))
  return unknown.map((node) => `no upgrade of ${node.opType} is known (node ${nodeName(node)})`)
}

/** Takes all nodes of a scope from version − 1 to version; returns how many changed. */
function step(scope: Scope, version: number, refusals: string[]): number {
  let count = 0
  for (const node of [...scope.nodes]) {
    const upgrade = isOnnx(node) ? table.get(node.opType)?.[version] : undefined
    if (!upgrade) continue
    const refusal = upgrade(node, scope)
    if (refusal !== undefined) refusals.push(`${node.opType} ${nodeName(node)}: ${refusal}`)
    else count++
  }
  return count
}

function setOpset(editor: GraphEditor, target: number): void {
  const { opsets } = editor.model
  if (opsets.has('ai.onnx') && !opsets.has('')) opsets.set('ai.onnx', target)
  else opsets.set('', target)
  editor.model.irVersion = Math.max(editor.model.irVersion, irVersionFor(target))
}

/** The IR version that came out with an opset. */
function irVersionFor(opset: number): number {
  if (opset >= 21) return 10
  if (opset >= 19) return 9
  if (opset >= 15) return 8
  if (opset >= 12) return 7
  if (opset === 11) return 6
  if (opset === 10) return 5
  return opset === 9 ? 4 : 3
}
