// Rounding as IEEE 754 and ONNX do it: to nearest, ties to even. `Math.round` rounds ties up.

const magic = 1.5 * 2 ** 52

/** Nearest integer, ties to even. Exact for |x| < 2^51; larger values are integers already. */
export function roundToEven(x: number): number {
  return Math.abs(x) < 2 ** 51 ? x + magic - magic : x
}

const floats = new Float32Array(1)
const bits = new Int32Array(floats.buffer)

/** The next float32 below a positive float32. */
export function nextDown(x: number): number {
  floats[0] = x
  bits[0] = (bits[0] ?? 0) - 1
  return floats[0]
}
