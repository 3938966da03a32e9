// The demo's network: a small MobileNetV2 (Sandler et al., arXiv 1801.04381) for pictures of 32 x 32.
import { type Random, randomStream } from '../src/math/index.ts'
import { BatchNorm } from './batch-norm.ts'
import { Pointwise, Stem } from './convolutions.ts'
import { Depthwise } from './depthwise.ts'
import { Gemm, GlobalAveragePool, Relu6, Residual, Sequence } from './layers.ts'
import type { Layer } from './maps.ts'

/** One inverted residual block: 1x1 to `expansion` times the channels, depthwise 3x3, 1x1 to `outputs` without ReLU6. */
export interface Block {
  readonly expansion: number
  readonly outputs: number
  readonly stride: 1 | 2
}

/** What a network is made of. */
export interface Design {
  readonly stem: number
  readonly blocks: readonly Block[]
  readonly head: number
  readonly classes: number
}

/** A network by its named parts, in order; the names become node names. */
export interface Network extends Layer {
  readonly parts: ReadonlyMap<string, Layer>
}

/** The network of the demo: maps of 16 x 16 after the stem, then 8 x 8, then 4 x 4. */
export const demoDesign: Design = {
  stem: 16,
  blocks: [
    { expansion: 1, outputs: 16, stride: 1 },
    { expansion: 3, outputs: 24, stride: 2 },
    { expansion: 3, outputs: 24, stride: 1 },
    { expansion: 3, outputs: 24, stride: 1 },
    { expansion: 4, outputs: 40, stride: 2 },
    { expansion: 4, outputs: 40, stride: 1 },
    { expansion: 4, outputs: 40, stride: 1 },
  ],
  head: 128,
  classes: 10,
}

/** A network with random weights for pictures of three channels. A block that keeps its size is residual. */
export function makeNetwork(design: Design, seed: number): Network {
  const random = randomStream(seed, 'weights')
  const parts = new Map<string, Layer>()
  parts.set('stem', new Sequence([new Stem(3, design.stem, random), new BatchNorm(design.stem), new Relu6()]))
  let channels = design.stem
  for (const [index, block] of design.blocks.entries()) {
    parts.set(`block${index + 1}`, makeBlock(channels, block, random))
    channels = block.outputs
  }
  parts.set('head', new Sequence(pointwise(channels, design.head, random)))
  parts.set('pool', new GlobalAveragePool())
  parts.set('classifier', new Gemm(design.head, design.classes, random))
  const all = new Sequence([...parts.values()])
  return {
    parts,
    parameters: all.parameters,
    forward: (input) => all.forward(input),
    backward: (gradient) => all.backward(gradient),
  }
}

function makeBlock(inputs: number, { expansion, outputs, stride }: Block, random: Random): Layer {
  const inner = inputs * expansion
  const body = new Sequence([
    ...(expansion === 1 ? [] : pointwise(inputs, inner, random)),
    new Depthwise(inner, stride, random),
    new BatchNorm(inner),
    new Relu6(),
    new Pointwise(inner, outputs, random),
    new BatchNorm(outputs),
  ])
  return stride === 1 && inputs === outputs ? new Residual(body) : body
}

function pointwise(inputs: number, outputs: number, random: Random): Layer[] {
  return [new Pointwise(inputs, outputs, random), new BatchNorm(outputs), new Relu6()]
}
