// Small networks at random, for properties: what is drawn is a drawing for `tinyModel`, so that a counter-example can be read.
import fc from 'fast-check'

/** Where a chain is: a map of `channels` × `size` × `size`. */
interface Place {
  readonly channels: number
  readonly size: number
}

interface Step {
  readonly kind: string
  readonly pick: number
}

/** A step as text and where it leads; undefined where it does not fit. */
type Draw = (place: Place, pick: number, value: string) => readonly [string, Place] | undefined

const keep = (text: string): Draw => {
  return (place) => [text.replaceAll('#', String(place.channels)), place]
}

const draws: Readonly<Record<string, Draw>> = {
  pointwise: ({ channels, size }, pick) => {
    const to = [2, 3, 4, 6][pick % 4] ?? 2
    return [`Conv 1x1 ${channels}->${to}${pick > 4 ? ' nobias' : ''}`, { channels: to, size }]
  },
  conv: ({ channels, size }, pick) => {
    const to = [2, 4, 5][pick % 3] ?? 2
    const pads = ['pads=1,1,1,1', 'auto_pad=SAME_UPPER', 'auto_pad=SAME_LOWER'][pick % 3] ?? ''
    return [`Conv 3x3 ${channels}->${to} ${pads}`, { channels: to, size }]
  },
  depthwise: (place) => [`Conv 3x3 ${place.channels}->${place.channels} pads=1,1,1,1 group=${place.channels}`, place],
  norm: keep('BatchNormalization'),
  relu: keep('Relu'),
  caps: keep('Clip number(0) number(6)'),
  leaky: keep('LeakyRelu'),
  sigmoid: keep('Sigmoid'),
  nothing: keep('Identity'),
  gain: keep('Mul floats[#,1,1]'),
  shift: keep('Add floats[#,1,1]'),
  maxPool: ({ channels, size }) => (size < 4 ? undefined : ['MaxPool 2x2 strides=2,2', { channels, size: size / 2 }]),
  averagePool: ({ channels, size }) =>
    size < 4 ? undefined : ['AveragePool 2x2 strides=2,2', { channels, size: size / 2 }],
  shortcut: ({ channels, size }, _, value) => [
    `${value}; ${value} -> Conv 1x1 ${channels}->${channels} -> Relu -> ${value}b; ${value},${value}b -> Add`,
    { channels, size },
  ],
}

const heads: readonly ((place: Place) => string)[] = [
  () => 'y',
  ({ channels }) => `GlobalAveragePool -> Flatten -> Gemm ${channels}->3 transB=1 -> y`,
  ({ channels }) => `GlobalAveragePool -> Conv 1x1 ${channels}->3 -> y`,
  ({ channels, size }) => `Flatten -> Gemm ${channels * size * size}->4 -> Softmax axis=1 -> y`,
  () => 'ReduceMean axes=2,3 -> y',
]

/** Drawings of networks over x[N,3,8,8]: convolutions, norms, activations, pools, shortcuts, a head. */
export const drawings: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.record({ kind: fc.constantFrom(...Object.keys(draws)), pick: fc.nat(7) }), {
      minLength: 1,
      maxLength: 8,
    }),
    fc.nat(heads.length - 1),
  )
  .map(([steps, head]) => drawingOf(steps, head))

function drawingOf(steps: readonly Step[], head: number): string {
  let place: Place = { channels: 3, size: 8 }
  // The graph begins with a layer: what hands its input on has no name of its own to take.
  const words = ['x[N,3,8,8]', 'Conv 1x1 3->3']
  for (const [index, { kind, pick }] of steps.entries()) {
    const drawn = draws[kind]?.(place, pick, `r${index}`)
    if (!drawn) continue
    words.push(drawn[0])
    place = drawn[1]
  }
  return [...words, heads[head]?.(place) ?? 'y'].join(' -> ')
}
