// Gradients against finite differences, layer kinds all together; and that a few steps of training lower the loss.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomStream } from '../src/math/index.ts'
import { Adam } from './adam.ts'
import { drawSet } from './draw.ts'
import { crossEntropy } from './loss.ts'
import { type Design, makeNetwork } from './network.ts'
import { inputOf, rateAt, type TrainingReport, train } from './train.ts'

/** Every kind of layer once: expansion or none, residual or not, both strides; widths that do not fill a tile. */
const small: Design = {
  stem: 6,
  blocks: [
    { expansion: 1, outputs: 6, stride: 1 },
    { expansion: 2, outputs: 9, stride: 2 },
  ],
  head: 10,
  classes: 10,
}
const schedule = { seed: 1, steps: 40, batchSize: 10, rate: 0.01, warmup: 5, weightDecay: 0.01, easySteps: 10 }

describe('the gradients', () => {
  const network = makeNetwork(small, 3)
  const pictures = drawSet(3, 'gradient check', 12)
  const input = inputOf(pictures)
  const labels = pictures.map(({ label }) => label)
  const loss = () => crossEntropy(network.forward(input), labels)
  network.backward(loss().gradient)

  for (const [index, { value, gradient }] of network.parameters.entries())
    it(`of parameter ${index} (${value.length} numbers) is the slope of the loss along any direction`, () => {
      const random = randomStream(index, 'direction')
      const start = value.slice()
      const direction = start.map(() => random.normal())
      // Small, so that few activations cross a corner of ReLU6 on the way.
      const size = 0.0003
      const lossAt = (distance: number) => {
        value.set(start.map((number, i) => number + distance * direction[i]!))
        return loss().value
      }
      const slope = (lossAt(size) - lossAt(-size)) / (2 * size)
      value.set(start)
      const expected = direction.reduce((sum, number, i) => sum + number * gradient[i]!, 0)
      const tolerance = 0.1 * Math.hypot(...gradient) + 0.0003
      assert.ok(Math.abs(slope - expected) < tolerance, `slope ${slope}, gradient says ${expected}`)
    })
})

describe('training', () => {
  it('lowers the loss of a batch that is shown again and again', () => {
    const network = makeNetwork(small, 1)
    const optimizer = new Adam(network.parameters, 0)
    const pictures = drawSet(1, 'one batch', 10)
    const labels = pictures.map(({ label }) => label)
    const losses = Array.from({ length: 60 }, () => {
      const { value, gradient } = crossEntropy(network.forward(inputOf(pictures)), labels)
      network.backward(gradient)
      optimizer.step(0.01)
      return value
    })
    assert.ok(losses.at(-1)! < 0.3 * losses[0]!, `from ${losses[0]} to ${losses.at(-1)}`)
  })

  it('gives the same weights for the same seed', () => {
    const run = () => {
      const network = makeNetwork(small, 1)
      const reports: TrainingReport[] = []
      train(network, { ...schedule, steps: 4 }, (report) => reports.push(report), 2)
      return { reports, weights: network.parameters.map(({ value }) => value) }
    }
    assert.deepEqual(run(), run())
  })

  it('warms up to the rate, then follows a cosine down to 0', () => {
    const rates = [1, 5, 40].map((step) => rateAt(step, schedule))
    assert.deepEqual(rates, [0.002, 0.01, 0])
  })
})
