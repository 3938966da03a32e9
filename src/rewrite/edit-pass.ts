// The frame around a pass: edit a copy, write down what was done, give the model back untouched when nothing was.
import { type ChannelStatistics, GraphEditor, type Model, type Node, nodeName } from '../onnx/index.ts'
import type { RewriteContext, RewriteResult } from './rewrite.ts'

/** What a pass did and left alone; statistics may be replaced along the way. */
export class PassLog {
  readonly changes: string[] = []
  readonly skipped: string[] = []
  readonly statistics: Map<string, ChannelStatistics>

  constructor(context: RewriteContext) {
    this.statistics = new Map(context.statistics)
  }

  /** Something was done to a node: "conv1: bn1 folded into its weight". */
  changed(node: Node, what: string): void {
    this.changes.push(`${nodeName(node)}: ${what}`)
  }

  /** A node was left alone, and why: "bn3: its input is also a graph output". */
  left(node: Node, why: string): void {
    this.skipped.push(`${nodeName(node)}: ${why}`)
  }
}

/** Runs `work` on an editor over a copy of the model. Without changes the model given is the result. */
export function editModel(
  model: Model,
  context: RewriteContext,
  work: (editor: GraphEditor, log: PassLog) => void,
): RewriteResult {
  const editor = new GraphEditor(model)
  const log = new PassLog(context)
  work(editor, log)
  const { changes, skipped } = log
  if (changes.length === 0) return { model, statistics: context.statistics, changes, skipped }
  return { model: editor.finish(), statistics: log.statistics, changes, skipped }
}
