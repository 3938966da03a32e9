// How much of a layer is left.
import {
  type CompressibleLayer,
  type FittedLayer,
  type LayerSurvey,
  macs,
  splitCost,
  splitNamed,
  wholeShape,
} from '../../compress/index.ts'

/** What became of a layer, as far as it counts here. */
type Fitted = Pick<FittedLayer, 'name'> & {
  readonly [side in 'choice' | 'channels' | 'inputs']?: FittedLayer[side] | undefined
}

/** Multiplications left of a layer ÷ before. */
export function ratioOf({ layers }: LayerSurvey, { name, choice, channels, inputs }: Fitted): number {
  const layer = layers.find((known) => known.name === name)
  if (!layer) return 1
  if (!choice) return prunedRatio(layer, channels, inputs)
  return splitCost(macs, splitNamed(choice.split), layer, choice.rank) / macs.cost(wholeShape(layer))
}

/** Multiplications of a layer that lost channels; where groups went with them, only the outputs count. */
function prunedRatio({ geometry }: CompressibleLayer, channels: Fitted['channels'], inputs: Fitted['inputs']): number {
  const share = (one: Fitted['channels']) => (one ? one.after / one.before : 1)
  return share(channels) * (geometry.groups > 1 && geometry.inputsPerGroup === 1 ? 1 : share(inputs))
}
