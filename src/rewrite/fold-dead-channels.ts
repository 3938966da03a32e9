// Channels that never change lose their weights: what only looked large on a silent channel stops setting scales.
import { DeadChannelFolder } from './dead-channels/folder.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/**
 * Folds constant channels, found by bounds carried forwards through the graph.
 * 1. proved: bounds from Clip, Relu, Sigmoid … alone show that a layer's output stays below its Relu, above its cap, or
 *    does not move at all. Exact.
 * 2. nearly: by the same bounds it can move by less than 1e-3 of what is usual in its layer.
 * 3. assumed: the same, when each value stays within 8 deviations of its mean (and within what was observed).
 * Such a channel keeps its constant as the bias and loses its weights. Readers lose the weights that read a 0, also
 * behind padding; another constant goes into a reader's bias where it has no padding.
 *
 * Not among the passes that are applied by default: 2 and 3 change the function where the assumption fails, and one
 * sample does not show that. Without statistics, and nothing nearly constant, it is exact.
 * @example
 * ```ts
 * const shapes = await observeShapes(runtime, model, feeds)
 * const { model: lighter, changes, skipped } = foldDeadChannels.apply(model, { shapes, statistics })
 * ```
 */
export const foldDeadChannels: Rewrite = defineRewrite({
  name: 'fold-dead-channels',
  kind: 'bounded',
  summary: 'takes the weights of channels that are constant, and those that read them',
  boundDb: 40,
  needs: 'statistics',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      const folder = new DeadChannelFolder(editor, log, context.shapes)
      folder.fold('proved')
      folder.fold('nearly')
      if (context.statistics.size > 0) folder.fold('assumed')
      folder.report()
    }),
})

/** Only what is proved: exact on every input. Needs no statistics. */
export const foldProvedChannels: Rewrite = {
  ...foldDeadChannels,
  kind: 'exact',
  boundDb: 100,
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      const folder = new DeadChannelFolder(editor, log, context.shapes)
      folder.fold('proved')
      folder.report()
    }),
}
