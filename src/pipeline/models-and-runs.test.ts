import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { testRuntime } from '../../test/support/rewrite-conformance.ts'
import { samplesOf } from '../../test/support/small-search.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { CancelledError, InputError, RuntimeFailure } from '../base/index.ts'
import { layersOf, type Model, makeModel, makeNode, Tensor } from '../onnx/index.ts'
import { observeShapes } from '../runtime/index.ts'
import { comparedConstants } from './compared-constants.ts'
import { growthNote } from './growth.ts'
import { inspect } from './inspect.ts'
import { costsOf, layerOfModel, viewOfModel } from './model-view.ts'
import { isAlive, prepareRun, readStatus, recordEvent, recordRun, writeStatus } from './run-folder.node.ts'
import { findRunFolders, readEvents, readRun, runId } from './run-store.node.ts'
import {
  batchSizeFor,
  boundsOfPictures,
  givenPreprocess,
  PREPROCESS_KEY,
  unusedSamples,
  withGuessedShapes,
} from './samples.ts'
import { quoted } from './shell-word.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'onnxpress-runs-')))
after(() => rmSync(folder, { recursive: true }))
const model = () => tinyModel('x[N,3,8,8] -> Conv 3x3 3->4 -> Relu -> Conv 1x1 4->2 nobias -> y')

describe('a run as a folder', () => {
  const recipe = { command: 'inspect', model: 'm.onnx' }

  it('waits, runs and is done, and says so at each moment', async () => {
    const own = join(folder, 'fine')
    await prepareRun(own, recipe)
    assert.equal((await readRun(own))?.state, 'queued')
    const result = await recordRun(own, recipe, async () => {
      const run = await readRun(own)
      assert.deepEqual([run?.state, run?.command, run?.model], ['running', 'inspect', 'm.onnx'])
      recordEvent(own, { step: 'look', done: 1, total: 2, at: 5 })
      return 7
    })
    assert.equal(result, 7)
    const run = await readRun(own)
    assert.deepEqual([run?.state, run?.hasReport, run?.id], ['done', false, runId(own)])
    assert.ok((run?.endedAt ?? 0) >= (run?.startedAt ?? Number.POSITIVE_INFINITY))
    assert.deepEqual((await readEvents(own)).events, [{ step: 'look', done: 1, total: 2, at: 5 }])
  })

  for (const [state, error, exitCode] of [
    ['failed', new InputError('the model is at fault'), 3],
    ['failed', new Error('nobody thought of it'), 1],
    ['cancelled', new CancelledError(), 130],
  ] as const)
    it(`keeps why it ended: ${state}, exit code ${exitCode}`, async () => {
      const own = join(folder, `${state}-${exitCode}`)
      await assert.rejects(
        recordRun(own, recipe, () => Promise.reject(error)),
        error,
      )
      const status = await readStatus(own)
      assert.deepEqual([status?.state, status?.exitCode, status?.message], [state, exitCode, error.message])
    })

  it('was interrupted where its process is gone', async () => {
    const own = join(folder, 'gone')
    await prepareRun(own, recipe)
    await writeStatus(own, { state: 'running', createdAt: 1, pid: 2 ** 30, host: 'elsewhere' })
    assert.equal((await readRun(own))?.state, 'running', 'another machine is taken at its word')
    const { hostname } = await import('node:os')
    const gone = { state: 'running' as const, createdAt: 1, pid: 2 ** 22 - 3, host: hostname() }
    await writeStatus(own, gone)
    if (!isAlive(gone)) assert.equal((await readRun(own))?.state, 'interrupted')
    assert.equal(isAlive({ state: 'running', createdAt: 1 }), false)
  })

  it('of an older version, without a status, is told by its report', async () => {
    const own = join(folder, 'older')
    mkdirSync(own)
    writeFileSync(join(own, 'recipe.json'), JSON.stringify(recipe))
    assert.deepEqual([(await readRun(own))?.state, (await readRun(own))?.message], ['failed', 'the run left no report'])
    writeFileSync(join(own, 'report.json'), JSON.stringify({ verdict: { headline: 'smaller', tone: 'good' } }))
    const run = await readRun(own)
    assert.deepEqual([run?.state, run?.headline, run?.tone], ['done', 'smaller', 'good'])
  })

  it('is none without a recipe of a command', async () => {
    const own = join(folder, 'none')
    mkdirSync(own)
    assert.equal(await readRun(own), undefined)
    writeFileSync(join(own, 'recipe.json'), '[1]')
    assert.equal(await readRun(own), undefined)
    writeFileSync(join(own, 'status.json'), '{"half')
    assert.equal(await readStatus(own), undefined)
  })

  it('is found below a root, but not through links nor in caches', async () => {
    const root = join(folder, 'root')
    for (const path of ['a', 'deep/er/b', 'cache/c', 'node_modules/d']) {
      mkdirSync(join(root, path), { recursive: true })
      await prepareRun(join(root, path), recipe)
    }
    symlinkSync(join(folder, 'fine'), join(root, 'link'))
    assert.deepEqual(await findRunFolders([root, join(folder, 'nowhere')]), [join(root, 'a'), join(root, 'deep/er/b')])
  })

  it('has events of which a half-written line waits, and that begin anew', async () => {
    const own = join(folder, 'events')
    mkdirSync(own)
    assert.deepEqual(await readEvents(own), { events: [], offset: 0 })
    recordEvent(own, { step: 'a', done: 1, total: 2, at: 5 })
    appendFileSync(join(own, 'events.jsonl'), '{"step":"b","do')
    const first = await readEvents(own)
    assert.deepEqual(
      first.events.map(({ step }) => step),
      ['a'],
    )
    appendFileSync(join(own, 'events.jsonl'), 'ne":2,"total":2}\nnonsense\n{"step":3}\n')
    const second = await readEvents(own, first.offset)
    assert.deepEqual(
      second.events.map(({ step }) => step),
      ['b'],
    )
    writeFileSync(join(own, 'events.jsonl'), '{"step":"new","done":0,"total":1}\n')
    assert.deepEqual(
      (await readEvents(own, second.offset)).events.map(({ step }) => step),
      ['new'],
    )
  })
})

describe('a model as it is drawn and inspected', () => {
  it('has its nodes with who feeds whom, and its layers with what they store', () => {
    const view = viewOfModel(model(), { path: 'm.onnx', name: 'm', sizeBytes: 9 })
    assert.deepEqual(
      view.nodes.map(({ op, from }) => `${op} ${from}`),
      ['Input ', 'Conv 0', 'Relu 1', 'Conv 2', 'Output 3'],
    )
    assert.deepEqual(
      view.layers.map(({ sizeBytes, bits, parameters }) => [sizeBytes, bits, parameters]),
      [
        [432, 32, 112],
        [32, 32, 8],
      ],
    )
    assert.deepEqual([view.inputs, view.outputs, view.opset], [['x float32[N×3×8×8]'], ['y'], 17])
  })

  it('has one layer with its channels, and says which it has not', () => {
    const [first] = layersOf(model())
    const row = layerOfModel(model(), first?.name ?? '', 'm.onnx')
    assert.deepEqual([row.op, row.parameters, row.channels?.min.length], ['Conv', 112, 4])
    assert.throws(
      () => layerOfModel(model(), 'nobody', 'm.onnx'),
      (error) => error instanceof InputError && error.message === 'm.onnx has no layer nobody',
    )
  })

  it('multiplies what its layers multiply at sensible sizes', async () => {
    const found = await inspect(model(), await testRuntime())
    assert.equal(found.macs, 3 * 4 * 9 * 36 + 4 * 2 * 36)
    assert.equal(found.parameters, 112 + 8)
    assert.deepEqual(Object.values(await costsOf(model(), await testRuntime())), [3888, 288])
    const still = await inspect(model())
    assert.equal(still.macs, undefined)
    assert.equal(still.layers.length, 2)
  })
})

describe('a file that became larger', () => {
  const small = model()
  const withConstant = (size: number): Model => {
    const own = small
    const added = Tensor.from('float32', [size], new Float32Array(size).fill(1))
    return { ...own, graph: { ...own.graph, initializers: new Map([...own.graph.initializers, ['folded', added]]) } }
  }

  it('says which constant did it', () => {
    assert.match(
      growthNote(small, withConstant(1000)) ?? '',
      /% larger: folded \(float32 \[1000\]\) took in what was folded/,
    )
  })

  it('says nothing where it is not, or hardly', () => {
    assert.equal(growthNote(model(), model()), undefined)
    assert.equal(growthNote(withConstant(1000), model()), undefined)
    assert.equal(growthNote(withConstant(10_000), withConstant(10_000)), undefined)
  })
})

describe('words of a shell', () => {
  it('stand as they are where they can, and in quotes where they must', () => {
    assert.equal(quoted('models/a-b_c@1.onnx'), 'models/a-b_c@1.onnx')
    assert.equal(quoted('x:1x3,y:2'), 'x:1x3,y:2')
    assert.equal(quoted('my model.onnx'), "'my model.onnx'")
    assert.equal(quoted("it's $HOME"), "'it'\\''s $HOME'")
    assert.equal(quoted(''), "''")
  })
})

describe('samples on their way to a model', () => {
  it('run together as many as the model takes and memory allows', async () => {
    const runtime = await testRuntime()
    const sizeOf = async (drawing: string, dims: readonly number[]) => {
      const own = tinyModel(drawing)
      const data = new Float32Array(dims.reduce((a, b) => a * b, 1))
      return batchSizeFor(own, await observeShapes(runtime, own, { x: { dtype: 'float32', dims: [...dims], data } }))
    }
    assert.equal(await sizeOf('x[N,8] -> Gemm 8->4 -> y', [1, 8]), 32)
    assert.equal(await sizeOf('x[4,8] -> Gemm 8->4 -> y', [4, 8]), 4)
  })

  it('that nothing was fitted to are scored, spread over those that are left', () => {
    const { dataset } = samplesOf(model(), 10)
    const { indices, note } = unusedSamples(dataset, [0, 1, 2, 3], 3)
    assert.equal(indices.length, 3)
    assert.ok(indices.every((index) => index > 3))
    assert.equal(note, 'scored on 3 samples that nothing was fitted to')
    assert.deepEqual(unusedSamples(dataset, [0], 5, [7]).indices, [7])
    assert.match(unusedSamples(dataset, [0], 5, [0]).note, /it is scored although it was fitted to/)
  })

  it('are prepared as the recipe says, or else as the model remembers', () => {
    const own = model()
    assert.equal(givenPreprocess(undefined, own), undefined)
    own.metadata.set(PREPROCESS_KEY, JSON.stringify({ scale: 1, mean: [0, 0, 0], std: [255, 255, 255] }))
    const bounds = boundsOfPictures(givenPreprocess(undefined, own), own).get('x')
    assert.deepEqual(
      bounds?.map(({ low, high }) => [low + 0, high]),
      [
        [0, 1],
        [0, 1],
        [0, 1],
      ],
    )
    assert.equal(boundsOfPictures(undefined, own).size, 0)
  })

  it('of random sizes that the model does not run on are blamed on the sizes', async () => {
    const recipe = { data: 'random' } as Parameters<typeof withGuessedShapes>[0]
    const free = tinyModel('x[N,3,H,W] -> Conv 3x3 3->4 -> y')
    const feeds = { x: { dtype: 'float32' as const, dims: [1, 3, 1, 1], data: new Float32Array(3) } }
    const fails = () => Promise.reject(new RuntimeFailure('the kernel is larger than the map'))
    await assert.rejects(
      withGuessedShapes(recipe, free, feeds, fails),
      (error) =>
        error instanceof InputError && /random inputs of x:1x3x1x1; give other sizes with --shape/.test(error.message),
    )
    await assert.rejects(withGuessedShapes(recipe, model(), feeds, fails), RuntimeFailure)
    await assert.rejects(withGuessedShapes({ ...recipe, data: 'folder' }, free, feeds, fails), RuntimeFailure)
  })
})

describe('inputs that the graph compares with a constant', () => {
  it('are known with the number that takes the live branch', () => {
    const own = makeModel({
      name: 'rate',
      inputs: [
        { name: 'sr', dtype: 'int64' },
        { name: 'x', dtype: 'float32' },
      ],
      outputs: [{ name: 'y', dtype: 'bool' }],
      nodes: [makeNode({ opType: 'Equal', inputs: ['sr', 'wanted'], outputs: ['y'] })],
    })
    own.graph.initializers.set('wanted', Tensor.from('int64', [], [16000]))
    assert.deepEqual(comparedConstants(own), { sr: 16000 })
    assert.deepEqual(comparedConstants(model()), {})
  })
})
