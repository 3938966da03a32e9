// Draws the demo's pictures: one shape each, on a background, among clutter, partly hidden, with noise. All from a seed.
import { type Random, randomStream } from '../src/math/index.ts'
import { type Shape, shapes } from './shapes.ts'

/** Pixels of a picture's side. */
export const SIDE = 32
const PIXELS = SIDE * SIDE
/** Points a pixel is sampled at, along each axis. */
const SUPERSAMPLING = 3

/** A picture as planes [3, 32, 32] of R, G, B, and the index of its shape. */
export interface Drawing {
  readonly label: number
  readonly planes: Uint8Array
}

/** R, G and B in 0..1. */
type Colour = readonly [number, number, number]

/** Draws `count` pictures, equally many of each shape, in an order that depends on nothing but the arguments. */
export function drawSet(seed: number, purpose: string, count: number): Drawing[] {
  const random = randomStream(seed, purpose)
  const labels = random.shuffle(Array.from({ length: count }, (_, i) => i % shapes.length))
  return labels.map((label) => drawPicture(label, random))
}

/**
 * Draws one picture of the shape `label`; everything else about it comes from `random`.
 * @param difficulty from 0, a clear shape on an almost plain ground, to 1, as all sets are drawn
 */
export function drawPicture(label: number, random: Random, difficulty = 1): Drawing {
  const canvas = new Float32Array(3 * PIXELS)
  const ground = drawBackground(canvas, random, difficulty)
  for (let i = random.integer(0, Math.round(3 * difficulty)); i > 0; i--) drawClutter(canvas, random)
  const place = placeShape(random)
  const colour = contrasting(ground, random.uniform(0.6 - 0.3 * difficulty, 0.7), random)
  paint(canvas, place, shapes[label]!.inside, colour, random.uniform(0.8, 1))
  if (random.next() < 0.35 * difficulty) hidePart(canvas, place, random)
  return { label, planes: develop(canvas, random, difficulty) }
}

/** Where a shape lies: centre and radius in pixels, angle in radians, and how much narrower than high it is. */
interface Place {
  readonly x: number
  readonly y: number
  readonly radius: number
  readonly angle: number
  readonly squeeze: number
}

function placeShape(random: Random): Place {
  const radius = random.uniform(8, 13)
  const room = SIDE / 2 - radius * 0.8
  const middle = (SIDE - 1) / 2
  return {
    x: middle + random.uniform(-room, room),
    y: middle + random.uniform(-room, room),
    radius,
    angle: random.uniform(-0.5, 0.5),
    squeeze: random.uniform(0.75, 1),
  }
}

/** A gradient between two similar colours with faint waves on it; returns the mean colour. */
function drawBackground(canvas: Float32Array, random: Random, difficulty: number): Colour {
  const ground = randomColour(random)
  const tilt = [0, 1, 2].map(() => random.uniform(-0.25, 0.25))
  const angle = random.uniform(0, 2 * Math.PI)
  const [dx, dy] = [Math.cos(angle) / SIDE, Math.sin(angle) / SIDE]
  const waves = difficulty * random.uniform(0, 0.07)
  const [waveX, waveY, phase] = [random.uniform(-1.5, 1.5), random.uniform(-1.5, 1.5), random.uniform(0, 6.28)]
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const [x, y] = [(pixel % SIDE) - SIDE / 2, Math.floor(pixel / SIDE) - SIDE / 2]
    const wave = waves * Math.sin(waveX * x + waveY * y + phase)
    for (let c = 0; c < 3; c++) canvas[c * PIXELS + pixel] = ground[c]! + tilt[c]! * (dx * x + dy * y) * 2 + wave
  }
  return ground
}

/** A dot or a short line: nothing that could be taken for one of the shapes in full. */
function drawClutter(canvas: Float32Array, random: Random): void {
  const dot: Shape['inside'] = (u, v) => u * u + v * v < 1
  const line: Shape['inside'] = (u, v) => Math.abs(u) < 1 && Math.abs(v) < 0.15
  const isDot = random.next() < 0.4
  const place: Place = {
    x: random.uniform(0, SIDE),
    y: random.uniform(0, SIDE),
    radius: isDot ? random.uniform(0.8, 2.2) : random.uniform(3, 9),
    angle: random.uniform(0, Math.PI),
    squeeze: 1,
  }
  paint(canvas, place, isDot ? dot : line, randomColour(random), random.uniform(0.3, 1))
}

/** A bar in a colour of its own over part of the shape. */
function hidePart(canvas: Float32Array, shape: Place, random: Random): void {
  const angle = random.uniform(0, 2 * Math.PI)
  const distance = shape.radius * random.uniform(0.2, 0.9)
  const half = random.uniform(0.08, 0.22)
  const bar: Place = {
    x: shape.x + distance * Math.cos(angle),
    y: shape.y + distance * Math.sin(angle),
    radius: 1.6 * shape.radius,
    angle: angle + Math.PI / 2,
    squeeze: 1,
  }
  paint(canvas, bar, (u, v) => Math.abs(u) < 0.8 && Math.abs(v) < half, randomColour(random), random.uniform(0.7, 1))
}

/** Lays a colour over the canvas where `inside` holds; the share of a pixel that is covered is found by supersampling. */
function paint(canvas: Float32Array, place: Place, inside: Shape['inside'], colour: Colour, opacity: number): void {
  const { x, y, radius, squeeze } = place
  const [cos, sin] = [Math.cos(place.angle) / radius, Math.sin(place.angle) / radius]
  const reach = radius * 1.3
  const clamp = (pixel: number) => Math.min(SIDE - 1, Math.max(0, Math.round(pixel)))
  for (let row = clamp(y - reach); row <= clamp(y + reach); row++)
    for (let column = clamp(x - reach); column <= clamp(x + reach); column++) {
      let covered = 0
      for (let point = 0; point < SUPERSAMPLING ** 2; point++) {
        const dx = column - x + ((point % SUPERSAMPLING) + 0.5) / SUPERSAMPLING - 0.5
        const dy = row - y + (Math.floor(point / SUPERSAMPLING) + 0.5) / SUPERSAMPLING - 0.5
        if (inside((cos * dx + sin * dy) / squeeze, cos * dy - sin * dx)) covered++
      }
      const share = (opacity * covered) / SUPERSAMPLING ** 2
      for (let at = row * SIDE + column, c = 0; c < 3; c++, at += PIXELS)
        canvas[at] = canvas[at]! + share * (colour[c]! - canvas[at]!)
    }
}

function randomColour(random: Random): Colour {
  return [random.next(), random.next(), random.next()]
}

/** A random colour at a distance of `least` to `least + 0.5` from `ground`. */
function contrasting(ground: Colour, least: number, random: Random): Colour {
  for (;;) {
    const colour = randomColour(random)
    const distance = Math.hypot(...colour.map((value, c) => value - ground[c]!))
    if (distance > least && distance < least + 0.5) return colour
  }
}

/** Canvas plus, in every other picture, noise, as bytes. */
function develop(canvas: Float32Array, random: Random, difficulty: number): Uint8Array {
  const noise = difficulty * Math.max(0, random.uniform(-0.04, 0.04))
  const byte = (value: number) => Math.min(255, Math.max(0, Math.round(255 * value)))
  return Uint8Array.from(canvas, noise === 0 ? byte : (value) => byte(value + noise * random.normal()))
}
