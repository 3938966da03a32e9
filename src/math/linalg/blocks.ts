// The inner loops of linear algebra, four rows at a time: a number that is read serves four sums, which do not wait for
// each other.

/** sums[q] = Σ_j a[a0 + j]·b[b0 + q·stride + j] for `count` numbers j and four rows q. */
export function fourDots(
  a: Float64Array,
  a0: number,
  b: Float64Array,
  b0: number,
  stride: number,
  count: number,
  sums: Float64Array,
): void {
  const [b1, b2, b3] = [b0 + stride, b0 + 2 * stride, b0 + 3 * stride]
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  for (let j = 0; j < count; j++) {
    const x = a[a0 + j]!
    s0 += x * b[b0 + j]!
    s1 += x * b[b1 + j]!
    s2 += x * b[b2 + j]!
    s3 += x * b[b3 + j]!
  }
  sums[0] = s0
  sums[1] = s1
  sums[2] = s2
  sums[3] = s3
}

/** Σ_j a[a0 + j]·b[b0 + j] for `count` numbers j. */
export function dot(a: Float64Array, a0: number, b: Float64Array, b0: number, count: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  let j = 0
  for (; j + 3 < count; j += 4) {
    s0 += a[a0 + j]! * b[b0 + j]!
    s1 += a[a0 + j + 1]! * b[b0 + j + 1]!
    s2 += a[a0 + j + 2]! * b[b0 + j + 2]!
    s3 += a[a0 + j + 3]! * b[b0 + j + 3]!
  }
  for (; j < count; j++) s0 += a[a0 + j]! * b[b0 + j]!
  return s0 + s1 + (s2 + s3)
}

/** to[t0 + j] −= Σ_q w[q]·rows[r0 + q·stride + j] for `count` numbers j and four rows q. */
export function subtractFour(
  to: Float64Array,
  t0: number,
  rows: Float64Array,
  r0: number,
  stride: number,
  count: number,
  w: Float64Array,
): void {
  const [r1, r2, r3] = [r0 + stride, r0 + 2 * stride, r0 + 3 * stride]
  const [w0, w1, w2, w3] = [w[0]!, w[1]!, w[2]!, w[3]!]
  for (let j = 0; j < count; j++)
    to[t0 + j]! -= w0 * rows[r0 + j]! + w1 * rows[r1 + j]! + (w2 * rows[r2 + j]! + w3 * rows[r3 + j]!)
}

/** to[t0 + j] −= w·row[r0 + j] for `count` numbers j. */
export function subtract(to: Float64Array, t0: number, row: Float64Array, r0: number, count: number, w: number): void {
  for (let j = 0; j < count; j++) to[t0 + j]! -= w * row[r0 + j]!
}
