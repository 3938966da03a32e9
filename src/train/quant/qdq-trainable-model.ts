// The biases of a finished Q/DQ file as a trainable model: its own pairs, simulated, whatever made them.
import { UnsupportedError, type Watch } from '../../base/index.ts'
import type { FixedBatch } from '../../data/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { Runtime, Values } from '../../runtime/index.ts'
import type { Emitter } from '../graph/emitter.ts'
import { logitsOf } from '../loss/logits.ts'
import type { LossTerm } from '../loss/terms.ts'
import { prepareModel } from '../prepare.ts'
import type { TrainableModel } from '../trainable-model.ts'
import { buildTrainingGraph } from '../training-graph.ts'
import { valuesOf } from '../values.ts'
import { type LayerBias, withTrainableBiases, withTrainedBiases } from './layer-biases.ts'
import { simulatePairs } from './qdq-simulation.ts'

export interface QdqTrainableOptions extends Watch {
  /** Samples in a run of the graph. */
  readonly batch: number
  readonly fixed?: FixedBatch | undefined
  readonly loss: readonly LossTerm[]
  readonly teacher: Model
}

/**
 * Biases of a Q/DQ model to train, weights and scales as they are. A normalisation that is left keeps its statistics: the file
 * that is written runs with them.
 * @throws UnsupportedError when no bias reaches what the loss reads, or an operator on the way has no gradient rule
 */
export async function qdqTrainableModel(
  runtime: Runtime,
  { quantized, biases }: { readonly quantized: Model; readonly biases: readonly LayerBias[] },
  sample: Values,
  options: QdqTrainableOptions,
): Promise<TrainableModel> {
  const { model, parameters } = withTrainableBiases(quantized, biases)
  const prepared = await prepareModel(runtime, model, sample, { ...options, batchNorm: 'frozen', asItIs: true })
  const graph = await buildTrainingGraph(prepared, {
    parameters,
    loss: options.loss,
    transform: (g) => {
      refuseCaptured(g)
      return { parameters: [], renamed: simulatePairs(g) }
    },
    teacherLogits: logitsOf(options.teacher),
  })
  return {
    prepared,
    graph,
    initial: valuesOf(prepared.model, graph.parameters),
    exported: (values) => withTrainedBiases(quantized, biases, values),
    notes: [],
  }
}

/** What a sub-graph reads has no gradient: training the rest without it would go in a wrong direction. */
function refuseCaptured({ editor }: Emitter): void {
  for (const { outputs } of editor.nodes('DequantizeLinear')) {
    const value = outputs[0] ?? ''
    if (editor.isCaptured(value))
      throw new UnsupportedError(`"${value}" is read inside an If, Loop or Scan, which have no gradient`, {
        tensor: value,
      })
  }
}
