// The studio's server in action, with the built command line doing the runs.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { built } from '../../test/support/built.ts'
import { tinyModel } from '../../test/support/tiny-model.ts'
import { writeModelFile } from '../onnx/index.node.ts'
import { prepareRun, recordRun, writeStatus } from '../pipeline/index.node.ts'
import type { ModelView, RunSummary } from '../pipeline/index.ts'
import { type Studio, startStudio } from './start.node.ts'

describe('the studio', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnxpress-studio-'))
  const model = join(folder, 'tiny.onnx')
  const slow = join(folder, 'slow.mjs')
  let studio: Studio
  const options = (): Parameters<typeof startStudio>[0] => ({
    folders: [folder],
    port: 0,
    script: resolve('bin/onnxpress.js'),
    page: 'none',
    version: '0',
  })
  before(async () => {
    await built()
    // The runner's loader is for this process; the runs are the built command line.
    delete process.env['NODE_OPTIONS']
    const drawing = 'x[N,3,8,8] -> Conv 3x3 3->8 -> BatchNormalization -> Relu -> Conv 1x1 8->4 -> y'
    await writeModelFile(tinyModel(drawing), model)
    writeFileSync(
      slow,
      `export default async function* () {
        for (let i = 0; i < 400; i++) {
          await new Promise((resolve) => setTimeout(resolve, 20))
          yield { inputs: { x: { dtype: 'float32', dims: [1, 3, 8, 8], data: new Float32Array(192) } } }
        }
      }`,
    )
    studio = await startStudio(options())
  })
  after(async () => {
    await studio.close()
    rmSync(folder, { recursive: true })
  })

  const ask = async <T>(path: string, body?: unknown): Promise<T> => {
    const answer = await fetch(`http://127.0.0.1:${studio.port}/api/${path}`, {
      headers: { authorization: `Bearer ${studio.token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
    const value = (await answer.json()) as T & { error?: string }
    assert.ok(answer.ok, value.error)
    return value
  }
  const detail = (id: string): Promise<{ run: RunSummary; events: unknown[]; result: Record<string, unknown> }> =>
    ask(`runs/${id}`)
  const until = async (id: string, done: (run: RunSummary) => boolean): Promise<RunSummary> => {
    for (let tries = 0; tries < 400; tries++) {
      const { run } = await detail(id)
      if (done(run)) return run
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`it did not happen: ${JSON.stringify((await detail(id)).run)}`)
  }
  const ended = ({ state }: RunSummary): boolean => state !== 'queued' && state !== 'running'

  it('shows a model: nodes with who feeds whom, layers, inputs', async () => {
    const view = await ask<ModelView>('model?path=tiny.onnx')
    assert.deepEqual(
      view.nodes.map(({ op, from }) => `${op} ${from}`),
      ['Input ', 'Conv 0', 'BatchNormalization 1', 'Relu 2', 'Conv 3', 'Output 4'],
    )
    assert.deepEqual(
      view.layers.map(({ op, bits, sizeBytes }) => [op, bits, sizeBytes]),
      [
        ['Conv', 32, 864],
        ['Conv', 32, 128],
      ],
    )
    const costs = await ask<Record<string, number>>('model/costs?path=tiny.onnx')
    assert.deepEqual(Object.values(costs), [3 * 8 * 9 * 36, 8 * 4 * 36])
    const layer = await ask<{ channels: { min: number[] } }>(`model/layer?path=tiny.onnx&name=${view.layers[0]?.name}`)
    assert.equal(layer.channels.min.length, 8)
  })

  it('offers a form for every command of the recipe schema, and the command line that a form stands for', async () => {
    const { schema } = await ask<{ schema: { oneOf: { properties: { command: { const: string } } }[] } }>('session')
    const commands = schema.oneOf.map(({ properties }) => properties.command.const)
    for (const command of ['quantize', 'rewrite', 'evaluate', 'compare']) assert.ok(commands.includes(command))
    const recipe = { command: 'quantize', model: 'tiny.onnx', data: 'random', weights: 'per-tensor' }
    const { commandLine } = await ask<{ commandLine: string }>('recipe', recipe)
    assert.equal(commandLine, `onnxpress quantize ${model} --data random --weights per-tensor`)
  })

  it('runs a recipe to its report, model and events; the input stays', async () => {
    const before = readFileSync(model)
    const { id, folder: place } = await ask<RunSummary>('runs', {
      command: 'quantize',
      model: 'tiny.onnx',
      data: 'random',
      samples: 4,
    })
    const run = await until(id, ended)
    assert.equal(run.state, 'done', run.message)
    assert.equal(run.output, join(place, 'model.onnx'))
    assert.ok(run.hasReport && existsSync(join(place, 'report.html')))
    assert.ok((await detail(id)).events.length > 3)
    assert.equal((await ask<{ version: number }>(`runs/${id}/report`)).version, 1)
    assert.deepEqual(readFileSync(model), before)
    const quantized = await ask<ModelView>(`model?path=${encodeURIComponent(run.output ?? '')}`)
    assert.ok(quantized.layers.length === 2 && quantized.layers.every(({ bits }) => bits === 8))
  })

  it('keeps the result of a command without a report', async () => {
    const { id } = await ask<RunSummary>('runs', { command: 'rewrite', model: 'tiny.onnx' })
    const run = await until(id, ended)
    assert.equal(run.state, 'done', run.message)
    assert.ok(Array.isArray((await detail(id)).result['passes']))
  })

  it('says in one sentence why a run failed', async () => {
    const { id } = await ask<RunSummary>('runs', { command: 'evaluate', model: 'tiny.onnx', data: 'random' })
    const run = await until(id, ended)
    assert.equal(run.state, 'failed')
    assert.match(run.message ?? '', /label/)
  })

  it('runs one at a time, cancels the running and the waiting one, and does a cancelled one again', async () => {
    const recipe = { command: 'quantize', model: 'tiny.onnx', data: slow, samples: 200 }
    const first = await ask<RunSummary>('runs', recipe)
    const second = await ask<RunSummary>('runs', { ...recipe, data: 'random', samples: 2 })
    await until(first.id, ({ state }) => state === 'running')
    assert.equal((await detail(second.id)).run.state, 'queued')
    await ask(`runs/${second.id}/cancel`, {})
    await until(second.id, ({ state }) => state === 'cancelled')
    await ask(`runs/${first.id}/cancel`, {})
    const stopped = await until(first.id, ended)
    assert.deepEqual([stopped.state, stopped.output, stopped.hasReport], ['cancelled', undefined, false])
    await ask(`runs/${second.id}/resume`, {})
    assert.equal((await until(second.id, ended)).state, 'done')
  })

  it('shows a run that the command line started, live', async () => {
    const place = join(folder, 'elsewhere', 'mine')
    let finish = (): void => {}
    const work = recordRun(place, { command: 'quantize', model }, () => new Promise<void>((end) => (finish = end)))
    let found: RunSummary | undefined
    for (let tries = 0; found === undefined && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      found = (await ask<RunSummary[]>('runs')).find((run) => run.name === 'mine')
    }
    assert.equal(found?.state, 'running')
    finish()
    await work
    assert.equal((await until(found?.id ?? '', ended)).state, 'done')
  })

  it('tells a listener of a run from its first event to its end', async () => {
    const controller = new AbortController()
    const answer = await fetch(`http://127.0.0.1:${studio.port}/api/events`, {
      headers: { authorization: `Bearer ${studio.token}` },
      signal: controller.signal,
    })
    assert.equal(answer.headers.get('content-type'), 'text/event-stream')
    const { id } = await ask<RunSummary>('runs', {
      command: 'quantize',
      model: 'tiny.onnx',
      data: 'random',
      samples: 2,
    })
    let text = ''
    const decoder = new TextDecoder()
    for await (const chunk of answer.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      if (text.includes(`"id":"${id}"`) && /"state":"(done|failed)"/.test(text)) break
    }
    controller.abort()
    const states = [...text.matchAll(/^data: (.*)$/gm)]
      .map((match) => JSON.parse(match[1] ?? '') as { type?: string; id?: string; start?: number; run?: RunSummary })
      .filter((news) => news.id === id || news.run?.id === id)
    assert.deepEqual([...new Set(states.flatMap(({ run }) => run?.state ?? []))], ['queued', 'running', 'done'])
    assert.equal(states.find(({ type }) => type === 'events')?.start, 0)
    assert.equal(states.at(-1)?.run?.state, 'done', 'events come before the end')
  })

  it('finds its runs again after a restart: finished ones, waiting ones, and ones whose process is gone', async () => {
    const known = (await ask<RunSummary[]>('runs')).length
    const waiting = join(folder, '.onnxpress', 'waiting')
    await prepareRun(waiting, { version: 1, command: 'rewrite', model, output: join(waiting, 'model.onnx') })
    const lost = join(folder, '.onnxpress', 'lost')
    await prepareRun(lost, { version: 1, command: 'rewrite', model })
    await writeStatus(lost, {
      state: 'running',
      createdAt: 1,
      pid: 2 ** 22 + 1,
      host: (await import('node:os')).hostname(),
    })
    await studio.close()
    studio = await startStudio(options())
    let runs = await ask<RunSummary[]>('runs')
    for (let tries = 0; runs.length < known + 2 && tries < 400; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      runs = await ask<RunSummary[]>('runs')
    }
    assert.equal(runs.length, known + 2)
    assert.equal(runs.find(({ name }) => name === 'lost')?.state, 'interrupted')
    const again = runs.find(({ name }) => name === 'waiting')
    assert.equal((await until(again?.id ?? '', ended)).state, 'done')
  })
})
