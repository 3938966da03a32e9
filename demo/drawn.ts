// The demo's training pictures: drawn when they are asked for, none twice.
import type { Dataset } from '../src/data/index.ts'
import { randomStream } from '../src/math/index.ts'
import { drawPicture, SIDE } from './draw.ts'
import { normalizePixel } from './preprocess.ts'
import { shapes } from './shapes.ts'

/** `size` pictures; the difficulty of each is drawn too, up to `hardest`, or always that of the test set. */
export function drawnSet(seed: number, purpose: string, size: number, mixed: boolean): Dataset {
  return {
    name: purpose,
    size,
    hasLabels: true,
    classes: shapes.length,
    classNames: shapes.map(({ name }) => name),
    notes: [],
    id: (index) => `${purpose} ${index}`,
    sample: async (index) => {
      const random = randomStream(seed, `${purpose} ${index}`)
      const label = random.integer(0, shapes.length - 1)
      const { planes } = drawPicture(label, random, mixed ? random.next() : 1)
      const data = Float32Array.from(planes, normalizePixel)
      return {
        id: `${purpose} ${index}`,
        inputs: { image: { dtype: 'float32', dims: [1, 3, SIDE, SIDE], data } },
        label,
      }
    },
  }
}
