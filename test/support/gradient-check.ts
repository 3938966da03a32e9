// Gradients of a whole graph held against central differences along random directions.
import assert from 'node:assert/strict'
import type { TensorValue } from '../../src/base/index.ts'
import { randomStream } from '../../src/math/index.ts'
import { GraphEditor, type Model, Tensor } from '../../src/onnx/index.ts'
import { observeShapes, type Runtime, type Values, withSession } from '../../src/runtime/index.ts'
import { expandFused } from '../../src/train/expand/expand-fused.ts'
import { addGradients } from '../../src/train/graph/backward.ts'
import { Emitter } from '../../src/train/graph/emitter.ts'
import { gradientRuleOf } from '../../src/train/rules/index.ts'

interface Built {
  readonly run: (feeds: Values) => Promise<Values>
  readonly wanted: readonly string[]
  readonly feeds: Record<string, TensorValue>
  readonly gradients: ReadonlyMap<string, string>
}

/** One at which no two elements of a maximum come near a tie. */
const SEED = 5

/** How far a gradient may lie from the slope, as a share of it, or of 1 where it is smaller. */
const BOUND = 2e-3

const normal = (dims: readonly number[], purpose: string) => {
  const random = randomStream(SEED, purpose)
  return Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, random.normal)
}

/** ⟨R, y⟩ and its gradients, for a random R. */
async function build(runtime: Runtime, given: Model, work: (built: Built) => Promise<void>): Promise<void> {
  const feeds: Record<string, TensorValue> = {}
  for (const { name, shape = [] } of given.graph.inputs) {
    const dims = shape.map(Number)
    feeds[name] = { dtype: 'float32', dims, data: normal(dims, name) }
  }
  // Fused operators are written out first, and are the same when they are run.
  const { model, shapes } = await expandFused(runtime, {
    model: given,
    shapes: await observeShapes(runtime, given, feeds),
    feeds,
  })
  const editor = new GraphEditor(model)
  const g = new Emitter(editor, shapes)
  for (const [name, tensor] of [...editor.graph.initializers]) {
    if (tensor.dtype !== 'float32' || tensor.shape.length === 0 || !given.graph.initializers.has(name)) continue
    editor.graph.initializers.delete(name)
    editor.graph.inputs.push({ name, dtype: 'float32', shape: tensor.shape })
    g.declare(name, tensor.shape)
    feeds[name] = { dtype: 'float32', dims: tensor.shape, data: tensor.floats().slice() }
  }
  const wanted = Object.keys(feeds)
  const upstream = g.constant(Tensor.from('float32', g.dims('y'), normal(g.dims('y'), 'upstream')))
  const gradients = addGradients(g, { seeds: new Map([['y', upstream]]), wanted, rules: gradientRuleOf })
  const product = g.times(upstream, 'y')
  const value = g.sum(
    product,
    g.dims(product).map((_, axis) => axis),
  )
  editor.graph.outputs.splice(0, 9, { name: value, dtype: 'float32' })
  for (const name of gradients.values()) editor.graph.outputs.push({ name, dtype: 'float32' })
  await withSession(runtime, editor.finish(), { optimization: 'disabled' }, (session) =>
    work({ run: (given) => session.run(given), wanted, feeds, gradients }),
  )
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** Every float input and constant of a model with output y is moved along a random direction. Inputs are random. */
export async function assertGradients(runtime: Runtime, model: Model): Promise<void> {
  await build(runtime, model, async ({ run, wanted, feeds, gradients }) => {
    const results = await run(feeds)
    for (const name of wanted) {
      const gradient = results[gradients.get(name) ?? '']
      assert.ok(gradient, `no gradient of ${name}`)
      assert.deepEqual([...gradient.dims], [...feeds[name]!.dims])
      const direction = normal(feeds[name]!.dims, `direction ${name}`)
      const expected = dot(gradient.data as Float32Array, direction)
      // Kinks between the two points and rounding have opposite needs: the best of several steps counts.
      let best = Number.POSITIVE_INFINITY
      for (const step of [0.1, 0.03, 0.01, 0.003, 0.001]) {
        const moved = async (sign: number) => {
          const data = (feeds[name]!.data as Float32Array).map((x, i) => x + sign * step * direction[i]!)
          return Number(Object.values(await run({ ...feeds, [name]: { ...feeds[name]!, data } }))[0]!.data[0])
        }
        const slope = ((await moved(1)) - (await moved(-1))) / (2 * step)
        best = Math.min(best, Math.abs(slope - expected) / Math.max(1, Math.abs(expected)))
        if (best < BOUND) break
      }
      assert.ok(best < BOUND, `gradient of ${name} is off by ${best}`)
    }
  })
}
