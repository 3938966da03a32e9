// Sound at another rate: a windowed sinc, one filter for each place that an output sample can have between two input samples.

/** Zero crossings of the sinc on each side. */
const CROSSINGS = 16

/** The samples at another rate; frequencies that the lower of the two rates cannot hold are filtered out. */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return samples
  const common = gcd(from, to)
  const [phases, step] = [to / common, from / common]
  const cutoff = Math.min(1, to / from)
  const reach = Math.ceil(CROSSINGS / cutoff)
  const filters = Array.from({ length: phases }, (_, phase) => filterAt(phase / phases, cutoff, reach))
  const result = new Float32Array(Math.max(1, Math.round((samples.length * to) / from)))
  for (let index = 0; index < result.length; index++) {
    const place = index * step
    const first = Math.floor(place / phases) - reach + 1
    const filter = filters[place % phases]!
    let sum = 0
    for (let tap = Math.max(0, -first); tap < filter.length && first + tap < samples.length; tap++)
      sum += filter[tap]! * samples[first + tap]!
    result[index] = sum
  }
  return result
}

/** Weights of the 2·reach samples around a place between two of them; their sum is 1, so that silence and offsets stay. */
function filterAt(fraction: number, cutoff: number, reach: number): Float64Array {
  const filter = Float64Array.from({ length: 2 * reach }, (_, tap) => {
    const distance = tap - reach + 1 - fraction
    const x = Math.PI * distance * cutoff
    const sinc = x === 0 ? 1 : Math.sin(x) / x
    return Math.abs(distance) >= reach ? 0 : sinc * Math.cos((Math.PI * distance) / (2 * reach)) ** 2
  })
  const sum = filter.reduce((total, weight) => total + weight, 0)
  return filter.map((weight) => weight / sum)
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
