// The grid of one tensor as AIMET's files say it, whatever the form of the file.

/** In ONNX's convention: x ≈ (q − zeroPoint) · scale, one element each or one for each slice along `axis`. */
export interface Encoding {
  /** A value or a constant of the float model. */
  readonly name: string
  /** Form 2 does not say it. */
  readonly kind?: 'activation' | 'parameter'
  readonly bits: number
  readonly signed: boolean
  readonly scale: readonly number[]
  readonly zeroPoint: readonly number[]
  /** Form 1 says only that there is one. */
  readonly axis?: number | 'unsaid'
}

/** What a file says. */
export interface Encodings {
  /** What it is called in messages. */
  readonly file: string
  readonly grids: readonly Encoding[]
  /** Tensors that it says stay in floating point. */
  readonly float: readonly string[]
}
