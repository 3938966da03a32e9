// The ten shapes that the demo model tells apart, each as a function that says whether a point lies inside.

/** A shape around the origin, of radius about 1. `u` points right, `v` points down. */
export interface Shape {
  readonly name: string
  readonly inside: (u: number, v: number) => boolean
}

const inBox = (u: number, v: number, half: number): boolean => Math.abs(u) < half && Math.abs(v) < half

/** Equilateral, one corner at the top. */
function inTriangle(u: number, v: number): boolean {
  return v < 0.5 && Math.sqrt(3) * Math.abs(u) - v < 1
}

/** Five points; between a point and a notch the border is a straight line. */
function inStar(u: number, v: number): boolean {
  const notch = 0.42
  const sector = (2 * Math.PI) / 5
  const angle = Math.abs(((((Math.atan2(u, -v) + sector / 2) % sector) + sector) % sector) - sector / 2)
  const radius = Math.hypot(u, v)
  const [x, y] = [radius * Math.cos(angle), radius * Math.sin(angle)]
  const [notchX, notchY] = [notch * Math.cos(sector / 2), notch * Math.sin(sector / 2)]
  return (x - 1) * notchY - y * (notchX - 1) < 0
}

/** One arm, two turns. */
function inSpiral(u: number, v: number): boolean {
  const radius = Math.hypot(u, v)
  const turn = Math.atan2(v, u) / (2 * Math.PI) - 2 * radius + 3
  return radius < 0.95 && turn - Math.floor(turn) < 0.5
}

function inArrow(u: number, v: number): boolean {
  const shaft = u > -0.95 && u < 0.2 && Math.abs(v) < 0.2
  const head = u >= 0.1 && Math.abs(v) < 0.75 * (0.95 - u)
  return shaft || head
}

/** A label is the index in this list. */
export const shapes: readonly Shape[] = [
  { name: 'circle', inside: (u, v) => u * u + v * v < 0.7 },
  { name: 'ring', inside: (u, v) => u * u + v * v < 0.8 && u * u + v * v > 0.25 },
  { name: 'square', inside: (u, v) => inBox(u, v, 0.72) },
  { name: 'triangle', inside: inTriangle },
  { name: 'cross', inside: (u, v) => inBox(u, v, 0.9) && Math.min(Math.abs(u), Math.abs(v)) < 0.27 },
  { name: 'star', inside: inStar },
  { name: 'stripes', inside: (u, v) => inBox(u, v, 0.85) && Math.floor((v + 0.85) / 0.34) % 2 === 0 },
  {
    name: 'checker',
    inside: (u, v) => inBox(u, v, 0.85) && (Math.floor((u + 0.85) / 0.425) + Math.floor((v + 0.85) / 0.425)) % 2 === 0,
  },
  { name: 'spiral', inside: inSpiral },
  { name: 'arrow', inside: inArrow },
]
