// The nouns of the trainer: feature maps, parameters, and what a layer does with them.

/** The maps of a batch, channels last: `data[((n * height + y) * width + x) * channels + c]`. */
export interface Maps {
  readonly data: Float32Array
  readonly count: number
  readonly height: number
  readonly width: number
  readonly channels: number
}

/** Numbers that training changes. `gradient` is added to by `backward` and cleared by the optimiser. */
export interface Parameter {
  readonly value: Float32Array
  readonly gradient: Float32Array
  /** Weights are pulled towards zero; scales, shifts and biases are not. */
  readonly decays: boolean
}

/** A step of the network. `backward` belongs to the `forward` before it. */
export interface Layer {
  readonly parameters: readonly Parameter[]
  /** Takes a batch through the layer, in training mode. */
  readonly forward: (input: Maps) => Maps
  /** Takes dLoss/dOutput, adds to the parameters' gradients and returns dLoss/dInput. */
  readonly backward: (gradient: Maps) => Maps
}

/** Zero-filled maps of the size of `like`, but for what `changed` says. */
export function mapsLike(like: Maps, changed: Partial<Omit<Maps, 'data'>> = {}): Maps {
  const size = { count: like.count, height: like.height, width: like.width, channels: like.channels, ...changed }
  return { ...size, data: new Float32Array(size.count * size.height * size.width * size.channels) }
}

/** Positions of all pictures together: rows of the matrix whose columns are the channels. */
export function rowsOf(maps: Maps): number {
  return maps.count * maps.height * maps.width
}

export function makeParameter(value: Float32Array, decays: boolean): Parameter {
  return { value, gradient: new Float32Array(value.length), decays }
}
