// exp, log and what is made of them, from additions, multiplications and divisions alone. The language leaves the last digit of
// Math.exp to the engine, and Node and browsers differ in it: what ends up in a model file must not.

/** ln 2 in two parts: the first has few enough digits that its products with small integers are exact. */
const LN2_HIGH = 0.6931471803691238
const LN2_LOW = 1.9082149292705877e-10

/** eˣ, to within one unit of the last place (FDLIBM, Sun Microsystems 2004: e_exp). */
export function exp(x: number): number {
  if (Number.isNaN(x)) return x
  if (x > 709.782712893384) return Number.POSITIVE_INFINITY
  if (x < -745.1332191019411) return 0
  const k = Math.abs(x) > 0.34657359027997264 ? Math.round(x * Math.LOG2E) : 0
  const [high, low] = [x - k * LN2_HIGH, k * LN2_LOW]
  const r = high - low
  const t = r * r
  const c =
    r -
    t *
      (0.16666666666666602 +
        t *
          (-0.0027777777777015593 +
            t * (6.613756321437934e-5 + t * (-1.6533902205465252e-6 + t * 4.1381367970572385e-8))))
  const y = 1 - (low - (r * c) / (2 - c) - high)
  // In two steps where 2ᵏ alone would leave the range.
  return k < -1021 ? y * 2 ** (k + 200) * 2 ** -200 : k > 1023 ? y * 2 ** (k - 1) * 2 : y * 2 ** k
}

const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)
const HIGH = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0

/** The natural logarithm, to within one unit of the last place (FDLIBM: e_log). */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN
  if (x === Number.POSITIVE_INFINITY) return x
  const small = x < 2 ** -1022
  double[0] = small ? x * 2 ** 54 : x
  // x = 2ᵏ · (1 + f) with 1 + f between √½ and √2.
  const top = (words[HIGH] ?? 0) + (0x3ff00000 - 0x3fe6a09e)
  const k = (top >>> 20) - 1023 - (small ? 54 : 0)
  words[HIGH] = (top & 0x000fffff) + 0x3fe6a09e
  const f = (double[0] ?? 1) - 1
  const s = f / (2 + f)
  const z = s * s
  const w = z * z
  const odd = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373))
  const even = z * (0.6666666666666735 + w * (0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586)))
  const half = 0.5 * f * f
  return s * (half + odd + even) + k * LN2_LOW - half + f + k * LN2_HIGH
}

/** eˣ − 1, exact near 0 (W. Kahan's way: the error of the sum is divided out again). */
export function expm1(x: number): number {
  const u = exp(x)
  if (u === 1) return x
  if (u - 1 === -1 || u === Number.POSITIVE_INFINITY) return u - 1
  return ((u - 1) * x) / log(u)
}

/** ln(1 + x), exact near 0. */
export function log1p(x: number): number {
  const u = 1 + x
  return u === 1 || u === Number.POSITIVE_INFINITY ? x : (log(u) * x) / (u - 1)
}

export function tanh(x: number): number {
  const t = expm1(2 * Math.abs(x))
  const y = t === Number.POSITIVE_INFINITY ? 1 : t / (t + 2)
  return x < 0 ? -y : x === 0 ? x : y
}
