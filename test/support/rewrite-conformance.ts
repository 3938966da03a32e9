// What every rewrite must keep, checked on ONNX Runtime.
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { makeArray, setElement, sizeOf, type TensorValue } from '../../src/base/index.ts'
import { float16ToFloat32, float32ToFloat16, randomStream, sqnrDb } from '../../src/math/index.ts'
import { type Model, printModel, writeModel } from '../../src/onnx/index.ts'
import type { Rewrite, RewriteContext, RewriteResult } from '../../src/rewrite/rewrite.ts'
import { openRuntime } from '../../src/runtime/index.node.ts'
import { observeShapes, type Runtime, type Values, withSession } from '../../src/runtime/index.ts'
import { tinyModel } from './tiny-model.ts'

let runtime: Promise<Runtime> | undefined
after(async () => (await runtime)?.close())

/** The runtime of all test files of a process, with one thread: results are the same on every machine. It ends with the process. */
export async function testRuntime(): Promise<Runtime> {
  // A promise for each that asks: what a test file declares behind it belongs to that file.
  runtime ??= openRuntime({ threads: 1 })
  return runtime
}

/** Standard normal inputs; a dimension N is 2, any other open one 7. */
export function randomFeeds(model: Model, seed = 1): Values {
  const feeds: Record<string, TensorValue> = {}
  for (const { name, dtype = 'float32', shape = [] } of model.graph.inputs) {
    const random = randomStream(seed, name)
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : dim === 'N' ? 2 : 7))
    const values = Float32Array.from({ length: sizeOf(dims) }, random.normal)
    if (dtype === 'float16') feeds[name] = { dtype, dims, data: float32ToFloat16(values) }
    else {
      assert.ok(dtype === 'float32' || dtype === 'int64', `cannot feed ${dtype}`)
      const data = makeArray(dtype, values.length)
      for (const [i, value] of values.entries()) setElement(data, i, value)
      feeds[name] = { dtype, dims, data }
    }
  }
  return feeds
}

/** Runs a model as it is, without the runtime's own rewriting. */
export async function run(model: Model, feeds: Values): Promise<Values> {
  return withSession(await testRuntime(), model, { optimization: 'disabled' }, (session) => session.run(feeds))
}

/** What a pass is told of a model: shapes observed on these feeds, no statistics. */
export async function contextOf(model: Model, feeds: Values = randomFeeds(model)): Promise<RewriteContext> {
  return { shapes: await observeShapes(await testRuntime(), model, feeds), statistics: new Map() }
}

/** Applies a pass the way the product does: with observed shapes. */
export async function applied(pass: Rewrite, model: Model): Promise<RewriteResult> {
  return pass.apply(model, await contextOf(model))
}

export interface KeepOptions {
  /** Largest difference allowed, as a share of the largest output. */
  readonly tolerance?: number
  /** Checks more on the result. */
  readonly and?: (result: RewriteResult) => void
}

/** Registers a test: the pass does something to the model, and everything that matters stays. */
export function itKeepsTheFunction(pass: Rewrite, drawn: string | Model, options: KeepOptions = {}): void {
  const title = typeof drawn === 'string' ? drawn : (drawn.metadata.get('drawing') ?? drawn.graph.name)
  it(`keeps the function of ${title}`, async () => {
    const model = typeof drawn === 'string' ? tinyModel(drawn) : drawn
    const result = await assertKeepsTheFunction(pass, model, options)
    options.and?.(result)
  })
}

/** Registers a test: the pass leaves the model alone, and says why with `reason`. */
export function itLeavesAlone(pass: Rewrite, drawn: string | Model, reason?: RegExp): void {
  const title = typeof drawn === 'string' ? drawn : (drawn.metadata.get('drawing') ?? drawn.graph.name)
  it(`leaves ${title} alone${reason ? ', and says why' : ''}`, async () => {
    const model = typeof drawn === 'string' ? tinyModel(drawn) : drawn
    const result = await applied(pass, model)
    assert.deepEqual(result.changes, [])
    assert.equal(result.model, model)
    if (reason) assert.match(result.skipped.join('\n'), reason)
  })
}

/** 1. equal outputs; 2. input model untouched; 3. inputs, outputs, metadata kept; 4. a second time changes nothing. */
async function assertKeepsTheFunction(pass: Rewrite, model: Model, options: KeepOptions): Promise<RewriteResult> {
  const before = writeModel(model)
  const feeds = randomFeeds(model)
  const result = pass.apply(model, await contextOf(model, feeds))
  assert.notEqual(result.changes.length, 0, `nothing was changed: ${result.skipped.join('; ')}`)
  assert.deepEqual(writeModel(model), before, 'the model given was changed')
  assert.deepEqual(result.model.graph.inputs, model.graph.inputs)
  assert.deepEqual(result.model.graph.outputs, model.graph.outputs)
  assert.deepEqual(result.model.metadata, model.metadata)
  const expected = await run(model, feeds)
  assertClose(expected, await run(result.model, feeds), pass.boundDb, options.tolerance ?? 1e-5)
  const again = pass.apply(result.model, { ...(await contextOf(result.model, feeds)), statistics: result.statistics })
  assert.deepEqual(again.changes, [], `a second time changes: ${printModel(result.model)}`)
  return result
}

/** Equal within a share of the largest value, and above the bound in dB. */
export function assertClose(expected: Values, got: Values, boundDb: number, tolerance: number): void {
  assert.deepEqual(Object.keys(got), Object.keys(expected))
  for (const [name, value] of Object.entries(expected)) {
    const other = got[name]
    assert.deepEqual(other?.dims, value.dims, `shape of ${name}`)
    const [a, b] = [floats(value), floats(other ?? value)]
    const largest = a.reduce((max, x) => Math.max(max, Math.abs(x)), 0)
    const difference = a.reduce((max, x, i) => Math.max(max, Math.abs(x - (b[i] ?? 0))), 0)
    assert.ok(difference <= tolerance * largest, `${name} differs by ${difference}, its largest value is ${largest}`)
    const db = sqnrDb(a, b)
    if (tolerance <= 1e-5) assert.ok(db === null || db >= boundDb, `${name}: ${db} dB, the bound is ${boundDb}`)
  }
}

function floats({ dtype, data }: TensorValue): Float32Array {
  if (data instanceof Float32Array) return data
  return dtype === 'float16' && data instanceof Uint16Array ? float16ToFloat32(data) : Float32Array.from(data, Number)
}
