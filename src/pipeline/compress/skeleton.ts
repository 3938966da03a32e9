// A model of the same shapes as a plan's result, to be timed: its weights mean nothing.
import {
  type Factors,
  pruningGroups,
  removeChannels,
  removedOutputs,
  splitLayer,
  splitNamed,
  surveyLayers,
} from '../../compress/index.ts'
import { matrix } from '../../math/index.ts'
import { GraphEditor, type Model } from '../../onnx/index.ts'
import type { Plan } from './plan.ts'
import type { Shaped } from './problem.ts'

/** The model with the layers and channels of a plan's result, and arbitrary weights in what is split. */
export function skeleton({ model, shapes }: Shaped, { splits, channels }: Plan): Model {
  if (Object.keys(channels).length > 0) {
    const { graph } = pruningGroups(model, shapes)
    return removeChannels(model, shapes, removedOutputs(graph, channels), graph)
  }
  const choices = new Map(Object.entries(splits))
  const editor = new GraphEditor(model)
  for (const layer of surveyLayers(model, shapes).layers) {
    const choice = choices.get(layer.name)
    if (!choice) continue
    const { geometry } = layer
    const split = splitNamed(choice.split)
    const { first, second } = split.positions(geometry)
    const width = geometry.inputsPerGroup * first[0] * first[1]
    const factors = (): Factors => ({
      first: filled(choice.rank, width),
      second: filled(geometry.outputsPerGroup * second[0] * second[1], choice.rank),
    })
    const bias = new Float64Array(geometry.groups * geometry.outputsPerGroup)
    splitLayer(editor, layer, { split, factors: Array.from({ length: geometry.groups }, factors), bias })
  }
  return editor.finish()
}

function filled(rows: number, columns: number) {
  const a = matrix(rows, columns)
  a.data.fill(0.01)
  return a
}
